#!/usr/bin/env bash
# Starts PostgreSQL. At the first start it makes the cluster and imports the sample workspace.
# Any other command than "postgres" runs as it is.
set -euo pipefail

if [ "${1:-postgres}" != postgres ]; then
    exec "$@"
fi

sockets=${SOCKET_DIRECTORY:-/var/run/postgresql}
init_sql=${INIT_SQL:-/usr/local/share/bitbucket_fdw/init.sql}
# Beside the data, not in it: initdb wants an empty directory.
incomplete=$PGDATA.incomplete

# The emulator starts when this container has, to share its network.
await_bitbucket() {
    local address host port
    address=${BITBUCKET_BASE_URL#*://}
    address=${address%%/*}
    case $address in
        *:*) ;;
        *) return ;; # not the emulator's
    esac
    host=${address%%:*}
    port=${address##*:}
    for _ in $(seq "${BITBUCKET_WAIT:-60}"); do
        if (exec 3<>"/dev/tcp/$host/$port") 2>/dev/null; then
            return
        fi
        sleep 1
    done
    echo "nothing answers at $BITBUCKET_BASE_URL; going on without" >&2
}

initialise() {
    local secret
    : "${DEMO_PASSWORD:?set the password of role demo}"
    mkdir -p "$PGDATA"
    touch "$incomplete"
    secret=$(mktemp)
    # The superuser connects over the socket; nobody needs to know its password.
    head -c 24 /dev/urandom | base64 >"$secret"
    initdb --pgdata="$PGDATA" --username=postgres --pwfile="$secret" \
        --encoding=UTF8 --locale=C.UTF-8 --auth-local=peer --auth-host=scram-sha-256
    rm -f "$secret"
    # The container has an address of its own; compose publishes the port on loopback only.
    {
        echo "listen_addresses = '*'"
        echo "unix_socket_directories = '$sockets'"
    } >>"$PGDATA/postgresql.conf"
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"

    await_bitbucket
    # Over the socket only, so that nobody finds a half-made database through TCP.
    pg_ctl --pgdata="$PGDATA" --wait --options="-c listen_addresses=''" start
    psql --host="$sockets" --username=postgres --dbname=postgres --no-psqlrc --quiet \
        --set=ON_ERROR_STOP=1 --file="$init_sql"
    pg_ctl --pgdata="$PGDATA" --wait --mode=fast stop
    rm "$incomplete"
}

if [ -e "$incomplete" ]; then
    # Only what an interrupted first start left behind is ever removed.
    mkdir -p "$PGDATA"
    find "$PGDATA" -mindepth 1 -delete
fi
if [ ! -e "$PGDATA/PG_VERSION" ]; then
    initialise
fi

exec postgres -D "$PGDATA"
