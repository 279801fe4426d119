#!/bin/bash
# scheduler.sh ADDRESS: one Stayer that serves on this address and stands for election with others.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

own=${1:?"scheduler.sh ADDRESS: on which address?"}
begin scheduler
wanted ZOOKEEPER_SERVERS "addresses with commas"
wanted SCHEDULERS "addresses with commas"
[ -e /etc/stayer/credentials ] || fail "no /etc/stayer/credentials: run cluster.sh first"

account stayer /var/lib/stayer
directory /var/lib/stayer stayer 750
product scheduler

master=${MESOS_MASTER:-${SCHEDULERS%%,*}:5050}
file /etc/stayer/scheduler.env root 644 <<ENVIRONMENT
# Written by vagrant/provision/scheduler.sh: flags of \`stayer serve\`, see docs/flags.md.
STAYER_MASTER=$master
STAYER_ZK=zk://$(with_port "$ZOOKEEPER_SERVERS" 2181)/stayer
STAYER_HTTP_ADDRESS=$own
STAYER_HTTP_CREDENTIALS_FILE=/etc/stayer/credentials
STAYER_HOSTNAME=$own
ENVIRONMENT

service stayer <<'UNIT'
# Written by vagrant/provision/scheduler.sh.
[Unit]
Description=Stayer keeps long-running applications running on Mesos
After=network-online.target
Wants=network-online.target

[Service]
User=stayer
EnvironmentFile=/etc/stayer/scheduler.env
# What an operator adds stays when this is provisioned again.
EnvironmentFile=-/etc/stayer/scheduler.local.env
ExecStart=/opt/stayer/bin/stayer serve
# A process leads at most once; ended, it comes back to stand by. Not after a wrong flag.
Restart=always
RestartPreventExitStatus=2 110
RestartSec=2
TimeoutStopSec=30
WorkingDirectory=/var/lib/stayer
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=/var/lib/stayer
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
CapabilityBoundingSet=
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
UNIT
finish
