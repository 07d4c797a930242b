"use strict";
// An SMSC made with the library smpp of npm (node-smpp), as a process: node smsc.js [KEY_FILE CERTIFICATE_FILE]
// Orders and events are those of tests/fakes/smpp_peers.py. With a key it listens with TLS as well.

const fs = require("node:fs");
const readline = require("node:readline");
const smpp = require("smpp");

const RECEIPT = 0x04;
const UDHI = 0x40;
const NONSENSE = Buffer.from("00000010000000aa0000000000000009", "hex");
const STATES = { ENROUTE: 1, DELIVRD: 2, EXPIRED: 3, UNDELIV: 5, REJECTD: 8 };

const accounts = new Map();
let count = 0;

function say(event, fields) {
  process.stdout.write(JSON.stringify({ event, at: Date.now(), ...fields }) + "\n");
}

function accountOf(name) {
  if (!accounts.has(name)) accounts.set(name, { name, receiver: null, answers: [], queued: [], base: 0 });
  return accounts.get(name);
}

function serve(session) {
  let account = null;
  session.on("error", (problem) => say("trouble", { what: problem.message }));
  session.on("close", () => say("closed", { account: account && account.name }));
  for (const kind of ["bind_transceiver", "bind_transmitter", "bind_receiver"]) {
    session.on(kind, (pdu) => {
      if (pdu.password !== "secret") {
        session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
        return;
      }
      account = accountOf(pdu.system_id);
      if (kind !== "bind_transmitter") account.receiver = session;
      session.send(pdu.response({ system_id: "npm" }));
      if (account.receiver === session) for (const order of account.queued.splice(0)) sendText(session, account, order);
      say("bound", { account: account.name, kind });
    });
  }
  session.on("submit_sm", (pdu) => submitted(session, account, pdu));
  session.on("enquire_link", (pdu) => {
    session.send(pdu.response());
    say("enquired", { account: account.name });
  });
  session.on("unbind", (pdu) => {
    session.send(pdu.response());
    session.close();
  });
  session.on("generic_nack", (pdu) => say("nacked", { account: account.name, status: pdu.command_status }));
}

function nextId(account) {
  count++;
  return account.base ? (0xab00 + count).toString(account.base).toUpperCase() : `npm-${count}`;
}

function submitted(session, account, pdu) {
  const message = pdu.short_message.message ? pdu.short_message : pdu.message_payload;
  const how = account.answers.shift() || {};
  const id = how.id || nextId(account);
  say("submit", {
    account: account.name,
    id,
    source: [pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr],
    to: [pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.destination_addr],
    coding: pdu.data_coding,
    text: message.message,
    udh: message.udh ? message.udh.map((element) => element.toString("hex")) : null,
    sar: pdu.sar_total_segments ? [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum] : null,
    payload: message === pdu.message_payload,
    registered: pdu.registered_delivery,
    valid_until: pdu.validity_period instanceof Date ? pdu.validity_period.getTime() : null,
  });
  answer(session, account, pdu, id, how);
}

function answer(session, account, pdu, id, how) {
  const response = pdu.response({ message_id: id });
  if (how.receipt) sendReceipt(session, account, { id, to: pdu.destination_addr, stat: how.receipt, by: "text" });
  if (how.nack) session.generic_nack({ command_status: how.nack, sequence_number: pdu.sequence_number });
  else if (how.status) session.send(pdu.response({ command_status: how.status }));
  else if (how.cut !== undefined) session.socket.end(response.toBuffer().subarray(0, how.cut));
  else if (how.unbind) {
    session.unbind(() => say("unbound", { account: account.name }));
    session.send(response);
  } else session.send(response);
}

function deliver(session, account, fields, command = "deliver_sm") {
  session[command]({ source_addr_ton: 1, source_addr_npi: 1, dest_addr_ton: 1, dest_addr_npi: 1, ...fields }, (pdu) =>
    say("answered", { account: account.name, status: pdu.command_status }),
  );
}

function sendReceipt(session, account, order) {
  const fields = { source_addr: order.to, destination_addr: "datasms", esm_class: RECEIPT };
  if (order.by !== "text") {
    fields.receipted_message_id = order.id;
    fields.message_state = STATES[order.stat];
  }
  if (order.by !== "tlv") {
    const dates = "submit date:2611231201 done date:2611231201";
    fields.short_message = `id:${order.id} sub:001 dlvrd:001 ${dates} stat:${order.stat} err:000 text:`;
  }
  deliver(session, account, fields);
}

// The text cut without regard to escape and surrogate pairs, as a phone of no great care does.
function sendText(session, account, order) {
  const octets = order.coding === 8 ? smpp.encodings.UCS2.encode(order.text) : smpp.encodings.ASCII.encode(order.text);
  const fields = { source_addr: order.from, destination_addr: order.to, data_coding: order.coding };
  if (order.by === "payload" || order.by === "data_sm") {
    const command = order.by === "data_sm" ? "data_sm" : "deliver_sm";
    deliver(session, account, { ...fields, message_payload: octets }, command);
    return;
  }
  const room = octets.length <= 140 ? 140 : 134;
  const parts = [];
  for (let at = 0; at < octets.length; at += room) parts.push(octets.subarray(at, at + room));
  const reference = ++count & 0xff;
  const sent = parts.map((part, index) => {
    if (parts.length === 1) return { ...fields, short_message: part };
    if (order.by === "sar") {
      const sar = { sar_msg_ref_num: reference, sar_total_segments: parts.length, sar_segment_seqnum: index + 1 };
      return { ...fields, ...sar, short_message: part };
    }
    const udh = Buffer.from([5, 0, 3, reference, parts.length, index + 1]);
    return { ...fields, esm_class: UDHI, short_message: { udh, message: part } };
  });
  for (const part of order.reversed ? sent.reverse() : sent) deliver(session, account, part);
}

const orders = {
  answers: (account, order) => account.answers.push(...order.answers),
  base: (account, order) => (account.base = order.base),
  receipt: (account, order) => sendReceipt(account.receiver, account, order),
  queue: (account, order) => account.queued.push(order),
  text: (account, order) => sendText(account.receiver, account, order),
  enquire: (account) => account.receiver.enquire_link(() => say("alive", { account: account.name })),
  unbind: (account) => account.receiver.unbind(() => say("unbound", { account: account.name })),
  nonsense: (account) => account.receiver.socket.write(NONSENSE),
};

const input = readline.createInterface({ input: process.stdin });
input.on("close", () => process.exit());
input.on("line", (line) => {
  const order = JSON.parse(line);
  orders[order.do](accountOf(order.account), order);
  say("done", { order: order.do, account: order.account });
});

const servers = [smpp.createServer({}, serve)];
if (process.argv.length > 3) {
  const [key, cert] = process.argv.slice(2).map((file) => fs.readFileSync(file));
  servers.push(smpp.createServer({ key, cert }, serve));
}
let listening = 0;
for (const server of servers) {
  server.listen(0, "127.0.0.1", () => {
    if (++listening === servers.length) say("ready", { ports: servers.map((each) => each.address().port) });
  });
}
