//go:build attacks

package attack

// configuration has two tenants on a node as shipped: nothing but what they may do is set.
const configuration = `
node: {id: attacked}
admin_keys: [admin-key]
drain: {timeout: 2s, interval: 1ms}
log: {format: json}
projects:
  victim:
    anonymous: true
    api_keys: [victim-key]
  hostile:
    anonymous: true
    keys: [{kid: a, alg: HS256, secret: "` + hostileSecret + `"}]
    api_keys: [hostile-key]
    patterns: true
    send: {"/topic/{project}/**": push}
`

// hostileSecret signs the tokens of the hostile tenant's users.
const hostileSecret = "hostile-hostile-hostile-hostile-hostile"
