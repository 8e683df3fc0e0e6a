#!/bin/sh
# Pushes with kcat: one to every subscriber of /topic/shop/all, one to the user alice, who gets it on
# /user/queue/orders. Unless it is told the partitioner, kcat puts a key in another partition than Java does.
set -eu
push() { # key, then headers; the body is one line of standard input
  key=$1
  shift
  kcat -P -b "$KAFKA_BOOTSTRAP" -t stentor.push.shop -k "$key" "$@" \
    -X partitioner=murmur2_random -X acks=all -X enable.idempotence=true
}

echo '{"text":"Open until ten tonight"}' | push /topic/shop/all \
  -H destination=/topic/shop/all -H content-type=application/json -H ttl-ms=60000 -H push-id=hours-1

echo '{"order":7,"state":"sent"}' | push user/alice \
  -H destination=/queue/orders -H user=alice -H content-type=application/json -H push-id=order-7-sent
