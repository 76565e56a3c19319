#!/bin/bash
# Makes the workers' role when the database of compose.yaml is made; "roundsman workers grant" gives it its rights.
set -euo pipefail
psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
    --set=password="$(cat /run/secrets/worker-password)" <<'SQL'
CREATE ROLE roundsman_worker LOGIN PASSWORD :'password';
SQL
