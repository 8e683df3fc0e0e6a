#!/bin/sh
# LVS with direct routing between network namespaces, by tuning/lvs: a director, two nodes and the clients at one bridge.
# What was found at each stage comes out as evidence/STAGE/...; lvs_vm_test.go says what it must be.
set -eu
vip=10.0.0.10 port=8080 api=8081
nodes='10.0.0.21 10.0.0.22'
sources='10.0.0.101-10.0.0.103'
began=$(cut -d. -f1 /proc/uptime)
# busybox's sh has an ip and an sh of its own, and takes them before those of the host.
ip() { /bin/ip "$@"; }
log() { echo "lvs: $(($(cut -d. -f1 /proc/uptime) - began)) s: $*"; }

# on NAME COMMAND... runs a command in a namespace; each keeps its own state of the scripts.
on() {
	name=$1
	shift
	ip netns exec "$name" env STENTOR_LVS_STATE="/run/lvs-$name" "$@"
}

name_of() { echo "node${1##*.}"; }

# until_true TRIES WHAT COMMAND... waits for a command to succeed, a second between two tries.
until_true() {
	tries=$1 what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		if [ "$tries" = 0 ]; then
			log "in vain: $what"
			note failed
			cat /root/*.log
			exit 1
		fi
		sleep 1
	done
	log "$what"
}

# sessions NODE is how many clients a node has, 0 when it does not answer.
sessions() {
	{ timeout 10 wget -q -O - "http://$1:$api/metrics" || true; } 2>/dev/null | awk '$1 == "stentor_sessions" { n = $2 } END { print n + 0 }'
}

has_sessions() { [ "$(sessions "$1")" = "$2" ]; }

all_connected() {
	sum=0
	for node in $nodes; do sum=$((sum + $(sessions "$node"))); done
	[ "$sum" = "$CLIENTS" ]
}

table_has() { on director ipvsadm -L -n | grep -q -- "-> $1:$port .* Route  *$2 "; }
table_lacks() { ! on director ipvsadm -L -n | grep -q -- "-> $1:"; }

bytes() { on "$1" cat "/sys/class/net/eth0/statistics/$2_bytes"; }

# note STAGE keeps what there is now, and sends it to the host.
note() {
	mkdir -p "evidence/$1"
	on director ipvsadm -L -n >"evidence/$1/table"
	on director ipvsadm -L -n --stats --exact >"evidence/$1/stats"
	for node in $nodes; do
		echo "$(name_of "$node").sessions $(sessions "$node")"
		echo "$(name_of "$node").sent $(bytes "$(name_of "$node")" tx)"
		timeout 10 wget -q -O "evidence/$1/$(name_of "$node").json" --header 'Authorization: Bearer key' \
			"http://$node:$api/v1/projects/lvs/sessions?limit=1000" || rm -f "evidence/$1/$(name_of "$node").json"
	done >"evidence/$1/numbers"
	for name in director clients; do
		echo "$name.sent $(bytes $name tx)"
		echo "$name.received $(bytes $name rx)"
	done >>"evidence/$1/numbers"
	cp /root/*.log evidence/
	out evidence
}

# host NAME ADDRESS... makes a namespace with these addresses at the bridge.
host() {
	name=$1
	shift
	ip netns add "$name"
	ip link add "to-$name" type veth peer name eth0 netns "$name"
	ip link set "to-$name" master br0 up
	on "$name" ip link set lo up
	on "$name" ip link set eth0 up
	for address in "$@"; do on "$name" ip address add "$address/24" dev eth0; done
}

# serve NODE starts a node as a server behind LVS.
serve() {
	name=$(name_of "$1")
	cat >"$name.yaml" <<YAML
node: {id: $name}
listen: {client: ["0.0.0.0:$port"], api: "$1:$api"}
endpoints: [{path: /ws}]
projects:
  lvs: {anonymous: true, api_keys: [key], subscribe: ["/topic/lvs/**"]}
YAML
	/bin/ip netns exec "$name" stentor serve --config "$name.yaml" >>"$name.log" 2>&1 &
	echo $! >"$name.pid" # ip becomes the server
	until_true 60 "$name is ready" timeout 10 wget -q -O /dev/null "http://$1:$api/readyz"
}

log 'the network'
ip link add br0 type bridge
ip link set br0 up
ip address add 10.0.0.2/24 dev br0 # the back end's host
host director 10.0.0.1
host node21 10.0.0.21
host node22 10.0.0.22
host clients 10.0.0.101 10.0.0.102 10.0.0.103

for node in $nodes; do
	on "$(name_of "$node")" host-sh lvs/realserver.sh up --vip $vip
	on "$(name_of "$node")" host-sh lvs/realserver.sh status --vip $vip
	serve "$node"
done
on director host-sh lvs/director.sh up --vip $vip --port $port --dev eth0 --node 10.0.0.21 --node 10.0.0.22
on director host-sh lvs/director.sh watch --vip $vip --port $port --health-port $api --interval 1 >watch.log 2>&1 &
until_true 30 'the director looks at the nodes' grep -q 'is ready' watch.log

# The back end pushes each message to both nodes, which have no Kafka between them. Of 68 messages those behind FLOW are
# held back for 20 s each, or until all is done, so that pushes go on for as long as it takes, up to some three minutes.
mkdir -p www/cgi-bin
cat >www/cgi-bin/push <<'CGI'
#!/bin/sh
body=$(head -c "$CONTENT_LENGTH")
waited=0
while [ "$QUERY_STRING" -gt "$FLOW" ] && [ ! -e /run/done ] && [ $waited -lt 20 ]; do
	sleep 1
	waited=$((waited + 1))
done
rm -f "/run/taken.$$"
for node in 10.0.0.21 10.0.0.22; do
	timeout 5 wget -q -O /dev/null --header 'Authorization: Bearer key' --header 'Content-Type: application/json' \
		--post-data "$body" "http://$node:8081/v1/projects/lvs/push" && : >"/run/taken.$$" &
done
wait
if [ -e "/run/taken.$$" ]; then
	rm "/run/taken.$$"
	printf 'Content-Type: text/plain\r\n\r\ntaken\n'
else
	printf 'Status: 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\nno node\n'
fi
CGI
chmod 755 www/cgi-bin/push
FLOW=60 httpd -p 10.0.0.2:9000 -h /root/www 2>/dev/null

on clients stentor-bench run broadcast --url ws://$vip:$port/ws --source $sources --connections "$CLIENTS" \
	--open-rate 50 --open-timeout 10s --heartbeat 2s --resume=false --project lvs --subscribe topic --topic /topic/lvs/all \
	--push-url 'http://10.0.0.2:9000/cgi-bin/push?{{.Number}}' --lanes 1 --rate 2 --duration 34s --payload 2000 --settle 2m \
	--push-body '{"topic":"all","id":"{{.ID}}","payload":{{.Payload}}}' --json bench.json >bench.log 2>&1 &
bench=$!
until_true 60 "all $CLIENTS clients are connected" all_connected
note open
sleep 5 # some pushes
note pushed

log 'the process of the second node is killed'
kill -9 "$(cat node22.pid)"
until_true 60 'the director has taken it out' table_lacks 10.0.0.22
until_true 60 'all clients are on the first node' has_sessions 10.0.0.21 "$CLIENTS"
note killed

serve 10.0.0.22
until_true 60 'the director has put it back' table_has 10.0.0.22 100
note back

log 'the host of the first node dies: nothing comes from it any more'
on node21 ip link set eth0 down
until_true 60 'the director has taken it out' table_lacks 10.0.0.21
until_true 90 'all clients are on the second node' has_sessions 10.0.0.22 "$CLIENTS"
note dead
: >/run/done

wait $bench || true # it says that clients have lost their connections
cat bench.log
cp bench.json evidence/
out evidence
on director host-sh lvs/director.sh down --vip $vip --port $port --dev eth0
on director ipvsadm -L -n >evidence/table
on director ip -o address show dev eth0 >evidence/addresses
out evidence
