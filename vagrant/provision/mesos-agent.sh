#!/bin/bash
# mesos-agent.sh ADDRESS [ZONE [RACK]]: a genuine Mesos agent of the package index on this address.
# With MESOS_MASTER set this does nothing: such a Mesos has agents of its own.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

own=${1:?"mesos-agent.sh ADDRESS [ZONE [RACK]]: on which address?"}
zone=${2:-}
rack=${3:-}
begin mesos-agent
if [ -n "${MESOS_MASTER:-}" ]; then
    say "MESOS_MASTER is $MESOS_MASTER: no Mesos of ours"
    finish
    exit
fi
wanted SCHEDULERS "addresses with commas; the first has the Mesos master"

packages libgcc-s1 libsasl2-2 libstdc++6 zlib1g
directory /var/lib/mesos-agent root 755
product local
engine /var/lib/mesos-agent/cache root

attributes="zone:${zone:-none};rack:${rack:-none}"
service stayer-mesos-agent <<UNIT
# Written by vagrant/provision/mesos-agent.sh.
[Unit]
Description=Mesos agent
After=network-online.target
Wants=network-online.target

[Service]
# As root, so that tasks can run as the users that their apps name.
Environment=XDG_CACHE_HOME=/var/lib/mesos-agent/cache
ExecStart=/opt/stayer/bin/stayer mesos agent --master ${SCHEDULERS%%,*}:5050 --ip $own --hostname $own --work-dir /var/lib/mesos-agent/work --attributes $attributes${zone:+ --region vagrant --zone $zone}
Restart=always
RestartSec=2
# Tasks are in this unit's group: a stop of the agent ends them, as it says itself.
Delegate=yes
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
UNIT
finish
