#!/bin/bash
# edge.sh: haproxy, and the bridge from the schedulers' cron, on this machine.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

begin edge
wanted SCHEDULERS "addresses with commas"
[ -e /etc/stayer/credentials ] || fail "no /etc/stayer/credentials: run cluster.sh first"

packages cron haproxy
product bridge

urls=()
while read -r address; do
    urls+=("http://$address:8080")
done < <(each_of "$SCHEDULERS")

said=$(/opt/stayer/bin/stayer haproxy install --cron --yes \
    --credentials-file /etc/stayer/credentials "${urls[@]}")
printf '%s\n' "$said"
case $said in
*"All of it is as it should be."*) ;;
*) changed "the bridge of this node" ;;
esac
finish
