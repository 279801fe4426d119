#!/bin/bash
# cluster.sh FILE: put the settings of the cluster, and the credentials of its API, in their place.
# FILE is a filled in cluster.env. STAYER_CREDENTIALS (USER:PASSWORD) is the same on all machines;
# without it existing ones are kept, and a machine that has none gets random ones.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

settings=${1:?"cluster.sh FILE: which settings?"}
begin cluster
account stayer /var/lib/stayer
directory /etc/stayer root 755
file "$settings_file" root 644 <"$settings"
if [ -n "${STAYER_CREDENTIALS:-}" ] || [ ! -e /etc/stayer/credentials ]; then
    random=$(od -An -N18 -tx1 /dev/urandom | tr -d ' \n')
    printf '%s\n' "${STAYER_CREDENTIALS:-operator:$random}" |
        file /etc/stayer/credentials stayer 400
fi
finish
