// What people do all day, in a real browser: sign in, read, act, take back, search, settings, the lock, a full mailbox.
// Every page is held against axe (WCAG 2.2 AA) and against the content security policy.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { openPage, signIn, startBrowser, startHost } from "./host.mjs";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const FIRST = "Kranich-Moor-Tafel-72";
const OWN = "amsel-birke-wolke-fluss-17";

let host;
let browser;

before(async () => {
  host = await startHost();
  browser = await startBrowser();
  host.run("domain", "add", "demo.test");
  host.account("jana@demo.test", FIRST, "--name", "Jana Brandt");
  host.account("tobias@demo.test", FIRST, "--name", "Tobias Kern");
});

after(async () => {
  await browser?.close();
  await host?.stop();
});

/// axe runs outside the page's policy, as an extension would.
async function accessible(page, name) {
  const session = await page.context().newCDPSession(page);
  await session.send("Page.setBypassCSP", { enabled: true });
  await page.evaluate(axeSource);
  const result = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }));
  const found = result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(" | ")}`);
  assert.deepEqual(found, [], `axe on ${name}`);
}

test("the first sign-in asks for a password of one's own", async () => {
  const { page, context, troubles } = await openPage(browser);
  await page.goto(`${host.url}/login`);
  assert.equal(await page.locator("html").getAttribute("lang"), "de");
  await accessible(page, "sign-in");
  await signIn(page, host, "jana@demo.test", FIRST);
  assert.match(page.url(), /\/password\/first$/);
  await accessible(page, "first password");
  await page.goto(`${host.url}/mail/inbox`);
  assert.match(page.url(), /\/password\/first$/, "it cannot be skipped");
  await page.fill("#new", "kurz");
  await page.fill("#again", "kurz");
  await page.evaluate(() => document.querySelector("form").setAttribute("novalidate", ""));
  await page.click("main button.pri");
  assert.ok(await page.getByRole("alert").isVisible(), "a bad one is explained");
  await page.fill("#new", OWN);
  await page.fill("#again", OWN);
  await page.click("main button.pri");
  await page.waitForURL(/\/mail\/inbox$/);
  assert.deepEqual(troubles, []);
  await context.close();
});

test("mail appears by itself, is read, archived and brought back", async () => {
  const { page, context, troubles } = await openPage(browser);
  await signIn(page, host, "jana@demo.test", OWN);
  await page.waitForURL(/\/mail\/inbox/);
  await page.waitForTimeout(1000);
  const answer = await host.deliver({ to: "jana@demo.test", subject: "=?utf-8?Q?Angebot_f=C3=BCr_das_Dach?=", body: "<p>Guten Tag <b>Jana</b>,</p><img src=\"https://tracker.test/x.png\" width=100 height=50><script>alert(1)</script><p>Passt Mittwoch?</p>", headers: "Content-Type: text/html; charset=utf-8\r\n" });
  assert.match(answer, /^250 /);
  const row = page.locator(".row", { hasText: "Angebot für das Dach" });
  await row.waitFor({ timeout: 5000 });
  assert.match(await page.title(), /^\(\d+\) /);
  await accessible(page, "list");
  await row.locator("a.open").click();
  const frame = page.frameLocator("iframe.mailbody");
  await frame.getByText("Passt Mittwoch?").waitFor();
  assert.equal(await frame.locator("script").count(), 0);
  assert.equal(await frame.locator("img[src^='http']").count(), 0, "remote pictures do not load");
  await accessible(page, "reader");
  await page.waitForFunction(() => !document.querySelector(".row.cur.un, .row[aria-selected=true].un"), null, { timeout: 8000 });
  await page.keyboard.press("e");
  await row.waitFor({ state: "detached" });
  await page.locator("#toasts").getByRole("button", { name: "Rückgängig" }).click();
  await row.waitFor();
  assert.deepEqual(troubles, []);
  await context.close();
});

test("a remote picture appears after consent, and its sender's without asking", async () => {
  const { page, context, troubles } = await openPage(browser);
  const letter = { to: "jana@demo.test", from: "news@laden.test", body: `<p>Neu im Laden</p><img src="${host.pictures.url}" width="40" height="30" alt="Bild">`, headers: "Content-Type: text/html; charset=utf-8\r\n" };
  await host.deliver({ ...letter, subject: "Erster Brief" });
  await signIn(page, host, "jana@demo.test", OWN);
  await page.locator(".row", { hasText: "Erster Brief" }).locator("a.open").click();
  const frame = page.frameLocator("iframe.mailbody");
  await frame.getByText("Neu im Laden").waitFor();
  assert.equal(await frame.locator("img").count(), 0);
  assert.equal(host.pictures.asked.length, 0, "nothing is fetched before");
  await page.locator(".msg .ban").getByRole("button", { name: "Anzeigen" }).click();
  await frame.locator("img").waitFor();
  await frame.locator("img").evaluate((img) => img.decode());
  assert.equal(await frame.locator("img").evaluate((img) => img.naturalWidth), 40);
  assert.equal(await page.locator(".msg .ban").getByRole("button", { name: "Anzeigen" }).count(), 0);
  assert.equal(host.pictures.asked[0].referer, undefined);
  assert.equal(host.pictures.asked[0].cookie, undefined);
  await accessible(page, "reader with a picture");

  await page.goto(`${host.url}/mail/inbox`);
  await page.locator(".row", { hasText: "Erster Brief" }).locator("a.open").click();
  await page.locator(".msg .ban").getByRole("button", { name: /immer/ }).click();
  await frame.locator("img").waitFor();
  await host.deliver({ ...letter, subject: "Zweiter Brief" });
  await page.locator(".row", { hasText: "Zweiter Brief" }).locator("a.open").click();
  await page.locator("#reader h1", { hasText: "Zweiter Brief" }).waitFor();
  await frame.locator("img").waitFor();
  await frame.locator("img").evaluate((img) => img.decode());
  assert.deepEqual(troubles, []);
  await context.close();
});

test("a reply with a file leaves for the other host, and sending can be taken back", async () => {
  const { page, context, troubles } = await openPage(browser);
  await signIn(page, host, "jana@demo.test", OWN);
  await page.locator(".row", { hasText: "Angebot für das Dach" }).locator("a.open").click();
  await page.locator(".reply a[href*='reply=']").first().click();
  const dock = page.locator("#compose .comp");
  await dock.waitFor();
  assert.match(await dock.locator("input[name=subject]").inputValue(), /^Re: Angebot/);
  await dock.locator("input[type=file]").first().setInputFiles({ name: "Grundriss ä.txt", mimeType: "text/plain", buffer: Buffer.from("Plan") });
  await dock.locator(".att", { hasText: "Grundriss" }).waitFor();
  await accessible(page, "compose");
  await dock.locator("[data-do=send]").click();
  const toast = page.locator("#toasts");
  await toast.getByRole("button", { name: "Rückgängig" }).click();
  await page.locator("#compose .comp").waitFor();
  assert.ok(await page.locator("#compose .att", { hasText: "Grundriss" }).isVisible(), "everything is there again");
  await page.locator("#compose [data-do=send]").click();
  await toast.getByRole("button", { name: "Jetzt senden" }).click();
  for (let n = 0; n < 100 && host.sink.mails.length === 0; n++) await page.waitForTimeout(100);
  const mail = host.sink.mails[0] ?? "";
  assert.match(mail, /^Subject: =\?utf-8\?Q\?Re=3A_Angebot/m);
  assert.match(mail, /^In-Reply-To: </m);
  assert.match(mail, /Grundriss/);
  assert.equal(host.sink.mails.length, 1, "sent once");
  assert.deepEqual(troubles, []);
  await context.close();
});

test("search finds by word, by sender and in both languages", async () => {
  const { page, context, troubles } = await openPage(browser);
  await host.deliver({ to: "jana@demo.test", from: "kasse@verein.test", subject: "Mitgliedsbeitrag 2026", body: "Bitte denken Sie an die =C3=9Cberweisung.", headers: "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n" });
  await signIn(page, host, "jana@demo.test", OWN);
  for (const [query, found] of [["mitglieds", 1], ["von:verein", 1], ["from:verein", 1], ["ueberweisung", 1], ["von:verein dach", 0], ["betreff:dach ODER betreff:mitgliedsbeitrag in:posteingang", 2]]) {
    await page.goto(`${host.url}/mail/search?q=${encodeURIComponent(query)}`);
    assert.equal(await page.locator(".row").count(), found, query);
  }
  await accessible(page, "search");
  assert.deepEqual(troubles, []);
  await context.close();
});

test("folders are made, renamed and deleted without scripts", async () => {
  const { page, context } = await openPage(browser, { javaScriptEnabled: false });
  await signIn(page, host, "jana@demo.test", OWN);
  await page.goto(`${host.url}/mail/folders`);
  await page.fill("#name", "Kunden & Verträge");
  await page.getByRole("button", { name: "Anlegen" }).click();
  assert.ok(await page.getByRole("link", { name: "Kunden & Verträge" }).first().isVisible());
  await page.goto(`${host.url}/mail/folders`);
  await page.fill("#name", "Kunden & Verträge");
  await page.getByRole("button", { name: "Anlegen" }).click();
  assert.ok(await page.getByText("gibt es dort schon").isVisible());
  await page.goto(`${host.url}/mail/inbox`);
  await page.locator(".row a.open").first().click();
  assert.match(page.url(), /\/mail\/inbox\/t\d+/);
  assert.ok(await page.locator("iframe.mailbody").isVisible());
  await context.close();
});

test("English, dark, phone: the same pages", async () => {
  const { page, context, troubles } = await openPage(browser, { locale: "en-GB", colorScheme: "dark", viewport: { width: 390, height: 844 } });
  await page.goto(`${host.url}/login`);
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  await accessible(page, "sign-in, English, dark, phone");
  await signIn(page, host, "jana@demo.test", OWN);
  await page.goto(`${host.url}/settings/language`);
  await page.selectOption("#lang", "en");
  await page.getByRole("button", { name: "Speichern" }).click();
  await page.waitForLoadState();
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  for (const path of ["/mail/inbox", "/settings/account", "/settings/security", "/settings/display", "/settings/mail", "/settings/storage", "/settings/signatures"]) {
    await page.goto(host.url + path);
    await accessible(page, `${path}, English, dark, phone`);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `${path} scrolls sideways: ${width}`);
  }
  await page.goto(`${host.url}/settings/language`);
  await page.selectOption("#lang", "de");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForLoadState();
  assert.deepEqual(troubles, []);
  await context.close();
});

test("the password is changed with the generator, and other sessions end", async () => {
  const one = await openPage(browser);
  const other = await openPage(browser);
  await signIn(one.page, host, "jana@demo.test", OWN);
  await signIn(other.page, host, "jana@demo.test", OWN);
  await one.page.goto(`${host.url}/settings/security?generate=words`);
  const made = await one.page.inputValue("#new");
  assert.ok(made.length > 20, made);
  await one.page.fill("#old", "falsch-falsch-falsch");
  await one.page.locator("form[action$=password] button.pri").click();
  assert.ok(await one.page.getByRole("alert").isVisible());
  await one.page.fill("#old", OWN);
  await one.page.fill("#new", made);
  await one.page.fill("#again", made);
  await one.page.locator("form[action$=password] button.pri").click();
  await one.page.waitForLoadState();
  await one.page.goto(`${host.url}/mail/inbox`);
  assert.match(one.page.url(), /\/mail\/inbox/, "the acting session goes on");
  await other.page.goto(`${host.url}/mail/inbox`);
  assert.match(other.page.url(), /\/login/, "the other one ended");
  await signIn(other.page, host, "jana@demo.test", made);
  assert.match(other.page.url(), /\/mail\/inbox/);
  await one.context.close();
  await other.context.close();
});

test("five wrong passwords lock, and the page says so", async () => {
  const { page, context } = await openPage(browser);
  for (let n = 1; n <= 5; n++) {
    await signIn(page, host, "tobias@demo.test", `falsch-falsch-${n}`);
  }
  assert.match(await page.getByRole("alert").textContent(), /60 Minuten/);
  await signIn(page, host, "tobias@demo.test", FIRST);
  assert.match(await page.getByRole("alert").textContent(), /Zu viele Fehlversuche/, "the right one is locked out too");
  await context.close();
});

test("a full mailbox refuses at the door, and the page says so", async () => {
  host.account("voll@demo.test", FIRST, "--quota", "20k");
  const body = "x".repeat(70).concat("\r\n").repeat(12);
  let answer = await host.deliver({ to: "voll@demo.test", body });
  assert.match(answer, /^250 /);
  for (let n = 0; n < 40 && answer.startsWith("250"); n++) answer = await host.deliver({ to: "voll@demo.test", body });
  assert.match(answer, /^452 4\.2\.2/);
  assert.match(await host.deliver({ to: "voll@demo.test", size: 30_000 }), /^552 5\.2\.2/);
  const { page, context } = await openPage(browser);
  await signIn(page, host, "voll@demo.test", FIRST);
  await page.fill("#new", OWN);
  await page.fill("#again", OWN);
  await page.click("main button.pri");
  await page.waitForURL(/\/mail\/inbox/);
  await page.goto(`${host.url}/settings/storage`);
  assert.match(await page.locator("#banners").textContent(), /voll/);
  await context.close();
});
