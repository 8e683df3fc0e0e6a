// Any number of clients of any library, driven by the Go test: {"client": name, "do": method, ...arguments}. The
// method "make" makes a client with its library and options, and connects it.
import { emit, commands } from "./lines.js";
import { Modern, Classic, Webstomp } from "./libraries.js";

const libraries = { "@stomp/stompjs": Modern, stompjs: Classic, "webstomp-client": Webstomp };
const clients = new Map();

commands(async (command) => {
  const { client: name, do: method } = command;
  if (method === "make") {
    const Library = libraries[command.library];
    const client = new Library((event) => emit({ client: name, ...event }), command);
    clients.set(name, client);
    client.connect();
    return;
  }
  await clients.get(name)[method](command);
});
