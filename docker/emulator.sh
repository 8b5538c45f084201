#!/usr/bin/env bash
# Runs the emulator in PostgreSQL's network; the arguments are the emulator's.
#
# A container that lives in another's network is cut off when that one restarts, and is not told. So
# this ends when PostgreSQL was there and is no more: started again, it joins the network there is.
set -euo pipefail

port=${PGPORT:-5432}
pause=${PAUSE:-5} # seconds between two looks
looks=${LOOKS:-6} # in vain, one after another, before this gives up

python3 -m bitbucket_fdw.emulator "$@" &
emulator=$!
trap 'kill "$emulator" 2>/dev/null || true' EXIT
trap 'exit 143' TERM INT

answers() {
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

seen=false
missed=0
while kill -0 "$emulator" 2>/dev/null; do
    # In the background, since a signal waits for a command in the foreground to end.
    sleep "$pause" &
    wait $!
    if answers; then
        seen=true
        missed=0
    elif $seen; then
        missed=$((missed + 1))
        if [ "$missed" -ge "$looks" ]; then
            echo "PostgreSQL is gone: ending, to be started in its network again" >&2
            exit 1
        fi
    fi
done
wait "$emulator"
