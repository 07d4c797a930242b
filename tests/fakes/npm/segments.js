"use strict";
// How many SMS texts make, by the library sms-segments-calculator of npm: an array of texts in, an array of counts out.

const fs = require("node:fs");
const { SegmentedMessage } = require("sms-segments-calculator");

const texts = JSON.parse(fs.readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(texts.map((text) => new SegmentedMessage(text).segmentsCount)));
