#!/bin/bash
# Makes the roles when the database of compose.yaml is made: the owner of its tables, who is no superuser, and the workers', which
# "roundsman workers grant" gives its rights. The superuser keeps no password, so that no network leads to it.
set -euo pipefail
psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
\set owner `cat /run/secrets/database-password`
\set worker `cat /run/secrets/worker-password`
CREATE ROLE roundsman LOGIN PASSWORD :'owner';
CREATE ROLE roundsman_worker LOGIN PASSWORD :'worker';
ALTER DATABASE :"DBNAME" OWNER TO roundsman;
ALTER ROLE :"USER" PASSWORD NULL;
SQL
