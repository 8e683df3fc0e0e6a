// The view Try's client, over the client library: what people see here is what their own pages do. It has the methods and the
// callbacks of stomp.js, which takes its place in a node that was built without the library.

export class Client {
  subscriptions = new Map(); // by id
  #Library;
  #on;
  #push = null;
  #url = "";
  #connect = {};
  #nextID = 0;

  constructor(Library, on) {
    this.#Library = Library;
    this.#on = on;
  }

  // open connects, and goes on until close() or a refusal. Subscriptions of a connection to the same place before it resume.
  open(url, headers) {
    this.#end();
    if (url !== this.#url || headers.projectId !== this.#connect.projectId) for (const s of this.subscriptions.values()) s.position = "";
    this.#url = url;
    this.#connect = headers;
    try {
      new URL(url);
      this.#push = new this.#Library({ urls: url, project: headers.projectId, token: headers.token || undefined });
    } catch (e) {
      this.#on.state("failed", { message: "This is no WebSocket address: " + e.message });
      return;
    }
    const push = this.#push;
    push.on("state", (s) => push === this.#push && this.#show(s));
    push.on("error", () => {}); // it is shown with what it is about
    this.#on.state("connecting", { url });
    for (const s of this.subscriptions.values()) this.#follow(s);
  }

  // close ends the connection until the next open.
  close() {
    this.#end();
    this.#on.state("idle");
  }

  // retry does now what would be done after the wait.
  retry() {
    this.open(this.#url, this.#connect);
  }

  // subscribe adds a subscription, now or as soon as there is a connection.
  subscribe(destination) {
    const s = { id: "sub-" + this.#nextID++, destination, live: false, resumed: undefined, position: "" };
    this.subscriptions.set(s.id, s);
    if (this.#push) this.#follow(s);
    return s;
  }

  unsubscribe(s) {
    this.subscriptions.delete(s.id);
    s.handle?.unsubscribe();
  }

  // send sends to the server and resolves when it has it.
  async send(destination, headers, body) {
    if (this.#push?.state.name !== "connected") throw new Error("there is no connection");
    await this.#push.publish(destination, body, { headers });
  }

  #follow(s) {
    s.asked = s.position; // where it resumes
    s.handle = this.#push.subscribe(s.destination, (m) => this.#on.message(s, m.headers, m.bytes), {
      after: s.position || undefined,
      onGap: () => (s.gap = true),
      onReady: () => {
        s.live = true;
        s.resumed = s.gap ? false : s.asked ? true : undefined;
        s.gap = false;
        this.#on.subscribed(s);
      },
      onError: (e) => {
        if (!this.subscriptions.delete(s.id)) return;
        this.#on.refused(s, e.message);
      },
    });
  }

  #show(state) {
    for (const s of this.subscriptions.values()) {
      s.live = false;
      if (state.name === "connected") s.asked = s.handle.position;
    }
    switch (state.name) {
      case "connected":
        return this.#on.state("connected", { version: "1.2", session: state.session, "user-name": state.user });
      case "waiting":
        return this.#on.state("waiting", { why: state.why, until: performance.now() + state.ms });
      case "refused":
        return this.#on.state("failed", { message: state.error.message, code: state.code });
      case "connecting":
        return this.#on.state("connecting", { url: this.#url });
    }
  }

  #end() {
    for (const s of this.subscriptions.values()) {
      s.position = s.handle?.position || s.position;
      s.live = false;
    }
    const push = this.#push;
    this.#push = null;
    void push?.close();
  }
}
