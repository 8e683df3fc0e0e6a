// A person's first minute with the page: connect, subscribe, push, see the message and the counts. Arguments: the
// browser's program, the page's address, a file for the screenshot.
import { open } from "./browser.js";

const [executablePath, address, picture] = process.argv.slice(2);
const expected = ({ url }) => Boolean(url?.endsWith("/stentor.js")); // of a node that was built without it
const { page, run } = await open({ executablePath, address, options: { viewport: { width: 1280, height: 900 } }, expected });

const button = (name) => page.getByRole("button", { name, exact: true });
const messages = page.getByRole("list", { name: /messages/i });

const steps = {
  async open() {
    await page.goto(address);
  },
  // early opens the page and types the key as soon as there is a field for it. The server's first answer is late.
  async early({ key }) {
    let release;
    const held = new Promise((free) => (release = free));
    await page.route("**/console.json", async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(address);
    const before = await page.getByLabel("API key", { exact: true }).isVisible();
    if (before) await steps.key({ key });
    release();
    if (!before) await steps.key({ key });
  },
  // distrust is open for a browser that does not know who signed the node's certificate.
  async distrust() {
    const error = await page.goto(address).then(() => "the page came", String);
    if (!error.includes("ERR_CERT_AUTHORITY_INVALID")) throw new Error(error);
  },
  // library has the client that the page uses.
  async library() {
    const answers = await page.evaluate(() => fetch("/page/stentor.js").then((a) => a.ok));
    return { texts: [answers ? "library" : "its own"] };
  },
  // without is the page of a node that was built without the client library.
  async without() {
    await page.route("**/stentor.js", (route) => route.fulfill({ status: 404 }));
  },
  async key({ key }) {
    await page.getByLabel("API key", { exact: true }).fill(key);
    await page.keyboard.press("Tab");
  },
  async connect({ token = "" }) {
    await page.getByLabel("Token").fill(token);
    await button("Connect").click();
    await page.getByRole("status").filter({ hasText: /^\s*Connected/ }).waitFor();
  },
  async disconnect() {
    await button("Disconnect").click();
    await page.getByRole("status").filter({ hasText: "Not connected" }).waitFor();
  },
  // subscribe takes what the page offers unless it is told what.
  async subscribe({ destination }) {
    const field = page.getByLabel("Destination", { exact: true }).first();
    destination ??= await field.inputValue();
    await field.fill(destination);
    await button("Subscribe").click();
    await page.getByRole("list", { name: /subscriptions/i }).getByText(destination).waitFor();
  },
  async push({ body }) {
    await page.getByLabel("Payload").fill(body);
    await button("Push").click();
  },
  async see({ body }) {
    await messages.getByText(body).first().waitFor();
  },
  async once({ body }) {
    const times = await messages.getByText(body).count();
    if (times !== 1) throw new Error(`${body}: shown ${times} times`);
  },
  // refused subscribes to what is forbidden: the page says so, drops it, and connects again.
  async refused({ destination }) {
    await page.getByLabel("Destination", { exact: true }).first().fill(destination);
    await button("Subscribe").click();
    await page.getByRole("alert").filter({ hasText: `Refused and removed: ${destination}` }).waitFor();
    await page.getByRole("status").filter({ hasText: /^\s*Connected/ }).waitFor();
    await page.getByRole("list", { name: /subscriptions/i }).getByText(destination, { exact: true }).waitFor({ state: "detached" });
  },
  async examples() {
    return { texts: await page.getByLabel("Examples").getByRole("button").allTextContents() };
  },
  // counts waits until the tiles show one connection and one subscription.
  async counts({ connections, subscriptions }) {
    const tile = (name, n) => page.locator(".tile").filter({ hasText: name }).filter({ hasText: new RegExp(`${name}\\s*${n}\\b`) });
    await tile("Connections", connections).waitFor();
    await tile("Subscriptions", subscriptions).waitFor();
  },
  async details({ text }) {
    await messages.getByRole("listitem").first().click();
    await messages.getByText(text).first().waitFor();
  },
  async picture() {
    await page.screenshot({ path: picture, fullPage: true });
  },
};

run(steps);
