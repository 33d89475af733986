// A whole mail host for one test file: its own data folder, its own ports, the program as it is built.
//
// const host = await startHost();   host.url, host.run("account", "add", …), host.deliver({…}), host.sink, await host.stop()
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const program = path.join(process.env.CARGO_TARGET_DIR ?? path.join(root, "target"), "debug/postamt");

async function freePorts(count) {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise((done) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => done(server));
  })));
  const ports = servers.map((s) => s.address().port);
  await Promise.all(servers.map((s) => new Promise((done) => s.close(done))));
  return ports;
}

/// A host that takes mail and keeps it: what left the queue.
async function startSink() {
  const mails = [];
  const server = net.createServer((socket) => {
    let data = null;
    let buffer = "";
    socket.write("220 sink.test ESMTP\r\n");
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      buffer += chunk.toString("latin1");
      for (let end; (end = buffer.indexOf("\r\n")) >= 0;) {
        const line = buffer.slice(0, end);
        buffer = buffer.slice(end + 2);
        if (data !== null) {
          if (line === ".") {
            mails.push(data);
            data = null;
            socket.write("250 2.0.0 taken\r\n");
          } else data += `${line.replace(/^\./, "")}\r\n`;
        } else if (/^(EHLO|HELO)/i.test(line)) socket.write("250-sink.test\r\n250-8BITMIME\r\n250 SIZE 60000000\r\n");
        else if (/^DATA/i.test(line)) {
          data = "";
          socket.write("354 go on\r\n");
        } else if (/^QUIT/i.test(line)) socket.end("221 bye\r\n");
        else socket.write("250 2.0.0 ok\r\n");
      }
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { mails, port: server.address().port, stop: () => server.close() };
}

/// A newsletter's web server: one picture, and who asked for it.
async function startPictures() {
  // 40 x 30 pixels of one colour.
  const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAACgAAAAeCAIAAADRv8uKAAAAK0lEQVR42u3NMQ0AAAgDsElBKtKQhgw4mvRvqudExGKxWCwWi8VisVj8N14LnHJb0DLSlQAAAABJRU5ErkJggg==", "base64");
  const asked = [];
  const server = http.createServer((request, response) => {
    asked.push(request.headers);
    response.writeHead(200, { "Content-Type": "image/png" }).end(png);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  return { asked, port, url: `http://127.0.0.1:${port}/bild.png`, stop: () => server.close() };
}

export async function startHost() {
  const data = mkdtempSync(path.join(tmpdir(), "postamt-browser-"));
  // Started by root, the database runs as another user, who must be able to enter.
  chmodSync(data, 0o711);
  const [https, http, mx, submission, submissions, metrics] = await freePorts(6);
  const sink = await startSink();
  const pictures = await startPictures();
  const config = path.join(data, "postamt.toml");
  writeFileSync(config, `
[server]
data_dir = "${data}/data"
[web]
listen = ["127.0.0.1:${https}"]
listen_http = ["127.0.0.1:${http}"]
[smtp]
listen = ["127.0.0.1:${mx}"]
[submission]
listen = ["127.0.0.1:${submission}"]
listen_tls = ["127.0.0.1:${submissions}"]
[metrics]
listen = ["127.0.0.1:${metrics}"]
[fetch]
allow = ["127.0.0.1:${pictures.port}"]
[queue.routes."*"]
host = "127.0.0.1:${sink.port}"
`);
  const child = spawn(program, ["serve", "--config", config], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => { log += chunk; });
  const url = `https://localhost:${https}`;
  const host = {
    url,
    sink,
    pictures,
    run: (...args) => execFileSync(program, [...args, "--config", config], { cwd: root, encoding: "utf8" }),
    account: (address, password, ...more) => execFileSync(program, ["account", "add", address, "--password-stdin", "--config", config, ...more], { cwd: root, input: `${password}\n`, encoding: "utf8" }),
    deliver: (mail) => deliver(mx, mail),
    async stop() {
      child.kill("SIGTERM");
      await new Promise((done) => { if (child.exitCode !== null) done(); else child.on("exit", done); });
      sink.stop();
      pictures.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
  for (let n = 0; ; n++) {
    if (child.exitCode !== null || n > 600) {
      sink.stop();
      pictures.stop();
      child.kill("SIGKILL");
      throw new Error(`the host did not start:\n${log}`);
    }
    if (await answers(https)) return host;
    await new Promise((done) => setTimeout(done, 100));
  }
}

function answers(port) {
  return new Promise((done) => {
    const socket = net.connect(port, "127.0.0.1", () => { socket.destroy(); done(true); });
    socket.on("error", () => done(false));
  });
}

/// One message by plain SMTP; returns the answer to its data, or the first refusal.
export async function deliver(port, { to, from = "a@partner.test", subject = "Hallo", body = "Text", headers = "", size = 0 }) {
  const socket = net.connect(port, "127.0.0.1");
  let buffer = "";
  const waiting = [];
  socket.on("data", (chunk) => {
    buffer += chunk;
    for (let end; (end = buffer.search(/^\d{3} .*\r\n/m)) >= 0;) {
      const line = buffer.slice(end, buffer.indexOf("\r\n", end));
      buffer = buffer.slice(buffer.indexOf("\r\n", end) + 2);
      waiting.shift()?.(line);
    }
  });
  const answer = () => new Promise((done, fail) => { waiting.push(done); socket.once("error", fail); });
  const say = (line) => { const a = answer(); socket.write(`${line}\r\n`); return a; };
  await answer();
  await say("EHLO client.test");
  await say(`MAIL FROM:<${from}>${size ? ` SIZE=${size}` : ""}`);
  const rcpt = await say(`RCPT TO:<${to}>`);
  if (!rcpt.startsWith("2")) { socket.destroy(); return rcpt; }
  await say("DATA");
  const id = Math.random().toString(36).slice(2);
  const head = `From: Miriam Hofmann <${from}>\r\nTo: <${to}>\r\nSubject: ${subject}\r\nMessage-ID: <${id}@partner.test>\r\nDate: ${new Date().toUTCString().replace("GMT", "+0000")}\r\nMIME-Version: 1.0\r\n`;
  const end = await say(`${head}${headers || "Content-Type: text/plain; charset=utf-8\r\n"}\r\n${body}\r\n.`);
  socket.end("QUIT\r\n");
  return end;
}

/// A browser whose every page is watched: a console error or a violated policy fails the test.
export async function startBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--ignore-certificate-errors"],
  });
}

export async function openPage(browser, options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: "de-DE", timezoneId: "Europe/Berlin", viewport: { width: 1440, height: 900 }, ...options });
  const troubles = [];
  const page = await context.newPage();
  page.on("pageerror", (e) => troubles.push(`error: ${e.message}`));
  page.on("console", (m) => { if (m.type() === "error" && !/status of (403|409|422|429|5\d\d)/.test(m.text())) troubles.push(m.text()); });
  if (options.javaScriptEnabled !== false) {
    await context.addInitScript(() => addEventListener("securitypolicyviolation", (e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`)));
  }
  return { page, context, troubles };
}

export async function signIn(page, host, name, password) {
  await page.goto(`${host.url}/login`);
  await page.fill("#name", name);
  await page.fill("#password", password);
  await page.click("main button.pri");
  await page.waitForLoadState();
}
