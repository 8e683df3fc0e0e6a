// What a person can begin with in a project. It knows nothing of the page.

// guesses are the examples while the project's rules are not known.
export function guesses(project) {
  return { subscribe: [`/topic/${project}/all`, `/topic/${project}/**`, "/user/queue/orders"], send: `/topic/${project}/all` };
}

// fill puts the user's name where {user} stands, as the server does. Examples with {user} are nobody's without a name: they
// come last, as they are.
export function fill(examples, user) {
  const name = user.replaceAll("/", "%2F");
  const filled = examples.subscribe.map((d) => (name ? d.replaceAll("{user}", name) : d));
  const open = (d) => d.includes("{user}");
  return [...filled.filter((d) => !open(d)), ...filled.filter(open)];
}

const pattern = (d) => /[*?]/.test(d);

// topic is where a push to a topic can go: the short form of a prefixed project, else the whole destination.
export function topic(list, project) {
  const first = list.find((d) => !pattern(d) && !d.startsWith("/user/")) ?? "";
  const prefix = `/topic/${project}/`;
  return first.startsWith(prefix) ? first.slice(prefix.length) : first;
}

// behindUser is what a user's own destination is called in a push.
export function behindUser(list) {
  return (list.find((d) => !pattern(d) && d.startsWith("/user/")) ?? "/user/queue/orders").slice("/user".length);
}
