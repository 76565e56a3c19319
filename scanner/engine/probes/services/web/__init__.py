"""Services that speak HTTP: recognised by what their pages say, on any port."""
