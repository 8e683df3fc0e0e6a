#!/bin/sh
# hosts.sh STENTOR STENTOR_BENCH DIR
#
# A server, two load generators and a controller on hosts of their own: network namespaces with addresses and names of
# their own, which hang on one bridge. It has to run in a mount and a network namespace where it is root X What it finds goes to DIR:
#
#   sessions.json   who was connected in the middle of the first run
#   merged.*        the first run: all is well
#   cut.*           the second: a generator's host is cut off in the middle
#   after.*         the third: that host is back
set -eu
stentor=$1 bench=$2 dir=$3
server=10.90.0.1 one=10.90.0.11 two=10.90.0.21

mount -t tmpfs none /run # the names of namespaces, seen by nobody else
ip link add lan type bridge
ip link set lan up
host() { # NAME ADDRESS...
	name=$1
	shift
	ip netns add "$name"
	ip link add "to-$name" type veth peer name eth0 netns "$name"
	ip link set "to-$name" master lan up
	for address; do ip -n "$name" address add "$address/24" dev eth0; done
	ip -n "$name" link set lo up
	ip -n "$name" link set eth0 up
}
on() { # NAME COMMAND...
	name=$1
	shift
	# shellcheck disable=SC2016 # the inner shell's own
	ip netns exec "$name" unshare -u sh -c 'hostname "$0"; exec "$@"' "$name" "$@"
}

host server $server
host one $one 10.90.0.12
host two $two 10.90.0.22
host boss 10.90.0.31

cat >"$dir/stentor.yaml" <<END
listen: {client: ["$server:8080"], api: "$server:8081"}
endpoints: [{path: /ws}]
projects:
  shop:
    keys: [{kid: a, alg: HS256, secret: a-secret-that-is-long-enough-for-hs256}]
    api_keys: [the-key-of-the-back-end]
END
echo a-secret-that-is-long-enough-for-hs256 >"$dir/secret"
echo the-key-of-the-back-end >"$dir/key"
echo what-controller-and-agents-share >"$dir/token"

on server "$stentor" serve --config "$dir/stentor.yaml" >"$dir/server.log" 2>&1 &
on one "$bench" agent --listen $one:7070 --token-file "$dir/token" >"$dir/one.log" 2>&1 &
on two "$bench" agent --listen $two:7070 --token-file "$dir/token" >"$dir/two.log" 2>&1 &

sessions() { on server "$stentor" sessions --api http://$server:8081 --key the-key-of-the-back-end --project shop --limit 1000 --json; }
until sessions >/dev/null 2>&1 && grep -q listening "$dir/one.log" && grep -q listening "$dir/two.log"; do sleep 0.1; done

run() { # NAME FLAGS...
	out=$1
	shift
	status=0
	on boss "$bench" run --url ws://$server:8080/ws --api http://$server:8081 --api-key-file "$dir/key" --secret-file "$dir/secret" --kid a \
		--project shop --connections 300 --rate 20 --agents $one:7070,$two:7070 --agents-token-file "$dir/token" \
		--json "$dir/$out.json" --html "$dir/$out.html" "$@" >"$dir/$out.log" 2>&1 || status=$?
	echo $status >"$dir/$out.status"
}
gathered() { # waits until all are there, but for a few that may be coming and going
	until sessions >"$dir/sessions" 2>/dev/null && [ "$(wc -l <"$dir/sessions")" -ge 290 ]; do sleep 0.1; done
}

run merged churn --duration 4s --churn-rate 20 --source $one-10.90.0.12,$two-10.90.0.22 &
gathered
cp "$dir/sessions" "$dir/sessions.json"
wait $!

run cut broadcast --duration 5m &
gathered
ip -n two link set eth0 down
wait $!
ip -n two link set eth0 up

# The host that was cut off sees by itself that nobody wants its part any more: by the silence, or when it is back.
until grep -Eq 'run .*: (ended|the result could not be returned)' "$dir/two.log"; do sleep 0.1; done
run after broadcast --duration 1s
