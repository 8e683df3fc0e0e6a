// The line protocol between a Go test and a script: one JSON object a line, commands in, events out.
import readline from "node:readline";

// emit reports an event.
export function emit(event) {
  process.stdout.write(JSON.stringify(event) + "\n");
}

// commands calls handle with each command. A failure ends the script with a text on standard error. The end of the
// input ends the script.
export function commands(handle) {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    Promise.resolve(JSON.parse(line))
      .then(handle)
      .catch((e) => {
        console.error(e);
        process.exit(1);
      });
  });
  lines.on("close", () => process.exit(0));
}
