#!/bin/bash
# mesos-master.sh ADDRESS [ZONE]: the genuine Mesos master of the package index on this address.
# It can not stand in ZooKeeper, so there is one; with MESOS_MASTER set this does nothing.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

own=${1:?"mesos-master.sh ADDRESS [ZONE]: on which address?"}
zone=${2:-}
begin mesos-master
if [ -n "${MESOS_MASTER:-}" ]; then
    say "MESOS_MASTER is $MESOS_MASTER: no Mesos of ours"
    finish
    exit
fi

packages libgcc-s1 libsasl2-2 libstdc++6 zlib1g
account mesos /var/lib/mesos
directory /var/lib/mesos mesos 750
product local
engine /var/lib/mesos/cache mesos

service stayer-mesos-master <<UNIT
# Written by vagrant/provision/mesos-master.sh.
[Unit]
Description=Mesos master
After=network-online.target
Wants=network-online.target

[Service]
User=mesos
Environment=XDG_CACHE_HOME=/var/lib/mesos/cache
ExecStart=/opt/stayer/bin/stayer mesos master --ip $own --work-dir /var/lib/mesos/master${zone:+ --region vagrant --zone $zone}
Restart=always
RestartSec=2
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=/var/lib/mesos
ProtectHome=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
UNIT
finish
