"""What a report says (``model``, ``query``) and how it looks (``render``)."""
