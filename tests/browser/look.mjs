// Every page of PAGES in headless Chromium: it loads nothing, fits a phone, can be read by everyone
// in light and in dark, prints in black on white, and shows something. Screenshots go to SHOTS.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const PAGES = resolve(process.env.PAGES);
const SHOTS = resolve(process.env.SHOTS);
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { width: 360, height: 740 };
const DESK = { width: 1280, height: 900 };
const PAPER = { width: 680, height: 960 };  // A4 between margins of 15 mm, at 96 dots an inch
const names = readdirSync(PAGES).filter((name) => name.endsWith(".html")).map((name) => name.slice(0, -5));

let browser;

before(async () => {
  mkdirSync(SHOTS, { recursive: true });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    // In a container, root cannot have Chromium's own sandbox; the pages are ours.
    args: ["--disable-gpu", "--no-sandbox"],
  });
});
after(() => browser?.close());

async function opened(name, viewport, colorScheme, { scripts = true, media = "screen" } = {}) {
  const context = await browser.newContext({ viewport, colorScheme, javaScriptEnabled: scripts });
  const page = await context.newPage();
  const asked = [];
  const said = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  await page.emulateMedia({ media, colorScheme });
  await page.goto(pathToFileURL(join(PAGES, `${name}.html`)).href);
  return { context, page, asked, said };
}

const overflow = (page) => page.evaluate(() => {
  const wide = document.documentElement.clientWidth;
  const out = [...document.querySelectorAll("body *")]
    .filter((one) => one.getClientRects().length && getComputedStyle(one).clipPath === "none")
    .filter((one) => !one.closest("thead") || getComputedStyle(one.closest("thead")).clipPath === "none")
    .filter((one) => one.getBoundingClientRect().right > wide + 0.5)
    .map((one) => `${one.tagName}: ${one.textContent.slice(0, 60)}`);
  return { scrolls: document.documentElement.scrollWidth > wide, out };
});

// A picture is decoded by the browser itself: how many colours, and how much is not the commonest.
async function ink(picture) {
  const page = await browser.newPage();
  const seen = await page.evaluate(async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.width;
    canvas.height = Math.min(image.height, 2000);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const { data: bytes } = context.getImageData(0, 0, canvas.width, canvas.height);
    const counts = new Map();
    for (let at = 0; at < bytes.length; at += 4) {
      const colour = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
      counts.set(colour, (counts.get(colour) ?? 0) + 1);
    }
    const most = Math.max(...counts.values());
    return { colours: counts.size, other: 1 - most / (bytes.length / 4), light: [...counts].find(([, n]) => n === most)[0] };
  }, picture.toString("base64"));
  await page.close();
  return seen;
}

test("there are pages to look at", () => assert.ok(names.includes("full-rollback")));

for (const name of names) {
  describe(name, { concurrency: 1 }, () => {
    for (const scheme of ["light", "dark"]) {
      for (const [device, viewport] of Object.entries({ phone: PHONE, desk: DESK })) {
        test(`${scheme}, ${device}: shows something, asks for nothing, does not scroll sideways, is for everyone`, async () => {
          const { context, page, asked, said } = await opened(name, viewport, scheme);
          const { scrolls, out } = await overflow(page);
          assert.deepEqual(out, []);
          assert.equal(scrolls, false);
          const picture = await page.screenshot({ path: join(SHOTS, `${name}-${scheme}-${device}.png`) });
          const seen = await ink(picture);
          assert.ok(seen.colours > 20 && seen.other > 0.02, `the picture is blank: ${JSON.stringify(seen)}`);
          assert.equal(seen.light > 0x808080, scheme === "light");
          assert.equal(asked.length, 1);
          assert.deepEqual(said, []);
          await page.evaluate(AXE);
          const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
          const told = found.violations.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
          assert.deepEqual(told, []);
          await context.close();
        });
      }
    }

    test("without scripts it looks the same", async () => {
      const pictures = [];
      for (const scripts of [true, false]) {
        const { context, page } = await opened(name, DESK, "light", { scripts });
        pictures.push((await page.screenshot()).toString("base64"));
        await context.close();
      }
      assert.equal(pictures[0], pictures[1]);
    });

    test("prints in black on white, nothing cut at the side, even from a dark screen", async () => {
      const { context, page } = await opened(name, PAPER, "dark", { media: "print" });
      assert.deepEqual((await overflow(page)).out, []);
      const colours = await page.evaluate(() => [...document.querySelectorAll("h1, h2, h3, li, td, code, .tag")].map((one) => {
        const style = getComputedStyle(one);
        return `${style.color} on ${style.backgroundColor}`;
      }));
      const odd = new Set(colours.filter((one) => !/^rgb\((0, 0, 0|51, 51, 51)\) on (rgb\(255, 255, 255\)|rgba\(0, 0, 0, 0\))$/.test(one)));
      assert.deepEqual([...odd], []);
      const paper = await page.pdf({ format: "A4", path: join(SHOTS, `${name}.pdf`) });
      assert.equal(paper.subarray(0, 5).toString(), "%PDF-");
      await context.close();
    });
  });
}
