#!/bin/bash
# zookeeper.sh ADDRESS: one server of the ensemble of ZOOKEEPER_SERVERS, on this address of theirs.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

own=${1:?"zookeeper.sh ADDRESS: which of ZOOKEEPER_SERVERS is this machine?"}
begin zookeeper
wanted ZOOKEEPER_SERVERS "addresses with commas"

packages default-jre-headless libzookeeper-java
account zookeeper /var/lib/zookeeper
directory /var/lib/zookeeper zookeeper 750

number=0
own_number=
servers=
while read -r address; do
    number=$((number + 1))
    servers+="server.$number=$address:2888:3888"$'\n'
    [ "$address" != "$own" ] || own_number=$number
done < <(each_of "$ZOOKEEPER_SERVERS")
[ -n "$own_number" ] || fail "$own is none of ZOOKEEPER_SERVERS ($ZOOKEEPER_SERVERS)"

printf '%s\n' "$own_number" | file /var/lib/zookeeper/myid zookeeper 640
{
    cat <<CONFIGURATION
# Written by vagrant/provision/zookeeper.sh.
tickTime=2000
initLimit=10
syncLimit=5
dataDir=/var/lib/zookeeper
clientPort=2181
clientPortAddress=$own
maxClientCnxns=200
autopurge.snapRetainCount=5
autopurge.purgeInterval=6
admin.enableServer=false
4lw.commands.whitelist=ruok,srvr,mntr
CONFIGURATION
    [ "$number" = 1 ] || printf '%s' "$servers"
} | file /etc/zookeeper/stayer.cfg root 644

service stayer-zookeeper <<'UNIT'
# Written by vagrant/provision/zookeeper.sh.
[Unit]
Description=ZooKeeper for Mesos and Stayer
After=network-online.target
Wants=network-online.target

[Service]
User=zookeeper
ExecStart=/usr/bin/java -Xmx1g -Djava.awt.headless=true -cp /etc/zookeeper:/usr/share/java/* org.apache.zookeeper.server.quorum.QuorumPeerMain /etc/zookeeper/stayer.cfg
# A JVM that was told to stop ends so.
SuccessExitStatus=143
Restart=always
RestartSec=2
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=/var/lib/zookeeper
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
UNIT
finish
