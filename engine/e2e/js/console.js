// An operator with the console: signs in, looks at its views, kicks. Arguments: the browser's program, the page's address,
// the width of the screen, and light or dark.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { open } from "./browser.js";

const [executablePath, address, width, colorScheme] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// What an answer says no to is on the browser's console: a wrong key, a list of nodes that the key may not
// see, a key that is no longer valid, a node that was built without uPlot. Requests of a view that is left are aborted.
const refused = /\/v1\/(nodes|projects\/shop(\?node=local)?|projects\?limit=1&node=local)$|\/uPlot\.js$/;
const { page, run } = await open({
  executablePath,
  address,
  options: { viewport: { width: Number(width), height: 844 }, colorScheme },
  expected: ({ url, error }) => (url && refused.test(url)) || error === "net::ERR_ABORTED",
});
let release = null; // has what hold keeps back go on
const asked = []; // every address that the page asked for
page.on("request", (r) => asked.push(r.url()));

const view = (name) => page.getByRole("navigation", { name: "Views" }).getByRole("link", { name, exact: true });
const rows = (label) => page.getByRole("table", { name: label }).getByRole("row");

const steps = {
  async open() {
    await page.goto(address);
  },
  async signin({ key, refused }) {
    await page.getByLabel("Key of the API").fill(key);
    await page.keyboard.press("Enter");
    if (refused) await page.getByRole("alert").filter({ hasText: refused }).waitFor();
    else await page.getByRole("button", { name: "Sign out" }).waitFor();
  },
  async signout() {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Key of the API").waitFor();
    return { texts: [await page.evaluate(() => JSON.stringify(sessionStorage))] };
  },
  async go({ name }) {
    await view(name).click();
    await page.getByRole("heading", { name: new RegExp("^" + name) }).or(page.getByLabel("Key of the API")).filter({ visible: true }).waitFor();
  },
  async find({ user = "", destination = "", address = "" }) {
    const form = page.getByRole("region", { name: "Sessions" });
    await form.getByLabel("User").first().fill(user);
    await form.getByLabel("Destination").fill(destination);
    await form.getByLabel("Address").fill(address);
    await page.keyboard.press("Enter");
  },
  // wrapped has the labels of tiles that take more than a line, or are cut off, on screens from the narrowest phone on.
  async wrapped() {
    const before = page.viewportSize();
    const texts = [];
    for (let width = 320; width <= 1400; width += 40) {
      await page.setViewportSize({ ...before, width });
      const wrong = await page.locator(".tile .name:visible").evaluateAll((all) =>
        all.filter((e) => e.offsetHeight > 1.9 * parseFloat(getComputedStyle(e).fontSize) || e.scrollWidth > e.clientWidth).map((e) => e.textContent));
      texts.push(...wrong.map((name) => `${name} at ${width}`));
    }
    await page.setViewportSize(before);
    return { texts };
  },
  // rows has the text of each row of a table, its head's as well.
  async rows({ label }) {
    return { texts: await rows(label).allTextContents() };
  },
  async kick({ user, reason }) {
    await rows("Sessions").filter({ hasText: user }).getByRole("button", { name: /^Kick/ }).first().click();
    await page.getByRole("dialog").getByLabel("Reason").fill(reason);
    await page.keyboard.press("Enter");
    await page.getByRole("status").filter({ hasText: /closed/ }).waitFor();
  },
  // cluster answers the list of nodes in the server's place: so many nodes, of which the last has this name. It returns the ms
  // from the page's load until the last of them is there.
  async cluster({ nodes, name }) {
    const now = (i) => ({ id: i === nodes - 1 ? name : `push-${i}`, instance: `i${i}`, state: i % 50 === 7 ? "suspect" : "up", ready: i % 40 !== 3, draining: i % 60 === 9, sealed: true, handed: true, self: i === 0,
      urls: [`wss://push-${i}.example.com/ws`], api: `https://10.0.0.${i}:8081`, version: "1.4.0", capacity: 1_000_000, connections: 5_000 + i, opening: 12 + Math.random(), cpu: Math.random(), memory: 9e8, deliveries: 50_000, late_ms: 3, heard_ms: 640 });
    await page.route("**/v1/nodes", (route) => route.fulfill({ json: { nodes: Array.from({ length: nodes }, (_, i) => now(i)), stale_ms: 0, self: "push-0" } }));
    const begun = performance.now();
    await page.reload();
    await rows("Nodes").nth(nodes).waitFor();
    return { numbers: { ms: Math.round(performance.now() - begun) } };
  },
  // tab presses the tabulator until the focus is on what is called so, and then Enter.
  async tab({ to }) {
    for (let i = 0; i < 100; i++) {
      await page.keyboard.press("Tab");
      const name = await page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);
      if (!name.startsWith(to)) continue;
      await page.keyboard.press("Enter");
      return;
    }
    throw new Error(`the tabulator does not come to ${to}`);
  },
  // type types into the field that has to have the focus by itself, and Enter.
  async type({ text, into }) {
    await page.getByLabel(into).and(page.locator(":focus")).waitFor();
    await page.keyboard.type(text);
    await page.keyboard.press("Enter");
  },
  // clock takes the page's time in hand. It is on from the next load.
  async clock() {
    await page.clock.install();
    await page.reload();
  },
  // pass lets time pass, with the tab hidden or not, and has how many requests went to a path meanwhile.
  async pass({ ms, hidden, path }) {
    await page.evaluate((is) => {
      Object.defineProperty(document, "hidden", { configurable: true, value: is });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
    const before = asked.length;
    const next = hidden ? null : page.waitForRequest((r) => new URL(r.url()).pathname === path);
    await page.clock.runFor(ms);
    await next;
    return { numbers: { requests: asked.slice(before).filter((url) => new URL(url).pathname === path).length } };
  },
  // plain loads the page as a node that was built without uPlot has it, and waits for curves.
  async plain() {
    await page.route("**/uPlot.js", (route) => route.fulfill({ status: 404 }));
    await page.reload();
    await page.locator(".plot polyline[points*=' ']").first().waitFor({ state: "attached" }); // a level one counts as hidden
  },
  async sort({ label, by }) {
    await page.getByRole("table", { name: label }).getByRole("button", { name: by, exact: true }).click();
  },
  async filter({ text }) {
    await page.getByRole("searchbox", { name: /nodes/ }).fill(text);
  },
  // follow clicks a link or a button in a table's row.
  async follow({ label, row, name }) {
    await rows(label).filter({ hasText: row }).getByText(name, { exact: true }).click();
  },
  // charts has what the charts say of themselves, once they are drawn.
  async charts() {
    await page.locator(".plot:visible canvas").first().waitFor();
    return { texts: await page.locator(".plot:visible").evaluateAll((all) => all.map((e) => e.getAttribute("aria-label"))) };
  },
  async see({ text }) {
    await page.getByText(text).first().waitFor();
  },
  // stale has the tab keep a key that the server does not know.
  async stale({ key, refused }) {
    await page.evaluate((k) => sessionStorage.setItem("stentor-key", k), key);
    await page.reload();
    await page.getByRole("alert").filter({ hasText: refused }).waitFor();
    return { texts: [await page.evaluate(() => JSON.stringify(sessionStorage))] };
  },
  // hold keeps the answers to searches back until release.
  async hold() {
    const held = new Promise((free) => (release = free));
    await page.route("**/sessions?*", async (route) => {
      await held;
      await route.continue();
    });
  },
  async release() {
    release(); // the later ones pass as well
  },
  // axe has what the checker of accessibility finds, and what is wider than the screen.
  async axe() {
    await page.evaluate(axe);
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    const texts = found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 5).join(", ")}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) texts.push(`the page is ${wide} px wider than the screen`);
    return { texts };
  },
  // hostile has what became markup of what should be text.
  async hostile() {
    return { texts: await page.evaluate(() => [...document.querySelectorAll("img, script")].map((e) => e.outerHTML).filter((html) => !html.includes("/page/")).concat(window.injected ?? [])) };
  },
  async asked() {
    return { texts: asked };
  },
};

run(steps);
