// A page of the console in Chromium, and the Go test's commands to it.
import { chromium } from "playwright-core";
import { emit, commands } from "./lines.js";

// open starts the browser, whose program is executablePath, with a page that may ask nothing of another server than address. What
// goes wrong in it is reported at the end, but for errors on its console and failed requests that expected is true for.
export async function open({ executablePath, address, options, expected = () => false }) {
  const browser = await chromium.launch({
    executablePath,
    timeout: 120_000,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
  });
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(60_000); // costs nothing when all is well

  const trouble = [];
  page.on("console", (m) => m.type() === "error" && !expected({ url: m.location().url }) && trouble.push(m.text()));
  page.on("pageerror", (e) => trouble.push(String(e)));
  page.on("requestfailed", (r) => {
    const error = r.failure()?.errorText;
    if (!expected({ url: r.url(), error })) trouble.push(`${r.url()}: ${error}`);
  });
  page.on("dialog", (d) => {
    trouble.push("a dialog: " + d.message());
    d.dismiss();
  });
  const foreign = [];
  page.on("request", (r) => new URL(r.url()).host !== new URL(address).host && foreign.push(r.url()));

  const end = async () => {
    const texts = [...trouble]; // without the requests that the close aborts
    await browser.close();
    emit({ client: "page", event: "trouble", texts });
    emit({ client: "page", event: "foreign", texts: foreign });
  };

  // run obeys commands, each with the step of its name, and the command "end".
  const run = (steps) =>
    commands(async (command) => {
      const found = await (command.do === "end" ? end() : steps[command.do](command));
      emit({ client: "page", event: command.do, ...found });
    });
  return { page, run };
}
