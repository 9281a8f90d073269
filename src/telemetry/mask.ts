import { isLuhnValid, maskPan } from '../identifiers.ts'

/**
 * Last line of defence of the logs: takes card data and keys out of a finished line. It works on text, so that it
 * reaches error messages, stacks and any depth of nesting; it errs on the side of masking.
 *
 * Masked: card numbers (13 to 19 digits that pass Luhn or begin as card numbers do, also in printed groups), tracks 1
 * and 2, runs of 20 digits and more (messages in hex, DE90), and under a key that names a secret the digits and hex
 * of its value. Kept: RRNs and STANs (12 digits and fewer), times, UUIDs, hex digests.
 */
export function maskText(text: string): string {
  // Most lines hold nothing of the kind: two passes that only look cost little.
  const masked = SECRET_KEY.test(text)
    ? maskSecretValues(text.replace(BYTES, '$1[bytes]$1'))
    : text.replace(BYTES, '$1[bytes]$1')
  if (!/\d[\d -]{11}/.test(masked)) return masked
  return masked
    .replace(NUMBER_VALUE, maskNumberValue)
    .replace(NUMBER_ITEM, maskNumberItem)
    .replace(TRACK_1, (_, pan: string) => `%B${maskPan(pan)}^[masked]`)
    .replace(TRACK_2, (_, pan: string) => `${maskPan(pan)}=[masked]`)
    .replace(GROUPED_PAN, (run) => maskPan(run.replaceAll(/[ -]/g, '')))
    .replace(TOKEN, maskToken)
}

/** A Buffer in JSON, whose bytes might be a PIN block, a key or a frame; quotes may be escaped. */
const BYTES = /\{\\*"type(\\*")\s*:\s*\\*"Buffer\\*"\s*,\s*\\*"data\\*"\s*:\s*\[[\d,\s]*\]\}/g
/** A bare number as a JSON property. A masked one is no number, so it becomes a text; a quote that is not escaped
 * cannot stand inside a JSON text. */
const NUMBER_VALUE = /(?<=(?<!\\)":)(\d{13,19})(?=[,}])/g
/** A bare number in a list. Text can look the same, so quotes cannot be added: the number becomes 0. */
const NUMBER_ITEM = /(?<=[[,])\d{13,19}(?=[,\]])/g

const TRACK_1 = /%?[Bb](\d{12,19})\^[^^\n"]{0,30}\^[\d ]{4,}[^\s"\\]*/g
/** Separator `=`, or D as it stands in BCD; what follows begins with the expiry, so four digits at least. */
const TRACK_2 = /(?<!\d)(\d{12,19})(?:=|[Dd](?=\d{7}))\d{4}[\dFf]*/g
/** 4-4-4-4(-3) and 4-6-5 as printed on cards; hyphens on either side mean a UUID. */
const GROUPED_PAN = /(?<![\w-])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})(?![\w-])/g
/** Letters and digits in one piece that hold a long run of digits. */
const TOKEN = /[0-9A-Za-z]*\d{13}[0-9A-Za-z]*/g
const DIGEST = /^(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})$/

function maskNumberValue(digits: string): string {
  const masked = maskToken(digits)
  return masked === digits ? digits : `"${masked}"`
}

function maskNumberItem(digits: string): string {
  return maskToken(digits) === digits ? digits : '0'
}

function maskToken(token: string): string {
  // A digest in lower-case hex has letters all over; a card number in its midst would be chance.
  if (DIGEST.test(token) && /(?:[a-f]\d*){4}/.test(token)) return token
  return token.replace(/\d{13,}/g, maskDigits)
}

function maskDigits(run: string): string {
  if (run.length > 19) return `[${run.length} digits]`
  if (isEpochOrTimestamp(run)) return run
  return isLuhnValid(run) || looksLikePan(run) ? maskPan(run) : run
}

/** Milliseconds since 1970 until the year 2033 begin with 1; yyyymmddhhmmss with 20. No card number does. */
function isEpochOrTimestamp(run: string): boolean {
  if (run.length === 13) return run.startsWith('1')
  return run.length === 14 && /^20[2-9]\d(0[1-9]|1[0-2])([0-2]\d|3[01])([01]\d|2[0-3])[0-5]\d[0-5]\d$/.test(run)
}

/** First digits that ISO/IEC 7812 gives to banking (2221-2720, 3 to 6) and national schemes (9), in usual lengths. */
function looksLikePan(run: string): boolean {
  return run.length >= 15 && /^(?:2[2-7]|[34569])/.test(run)
}

const SECRET_WORDS =
  'pan|card_?number|track_?[12]?(?:_?data)?|pin|pin_?block|cvv2?|cvc2?|icvv|password|passwd|secret|(?:master|zone|private|session|clear|data|mac|pin|device|working)_?key|key_?block|z[pm]k|t[pm]k|[mz]ak|pvk|cvk|bdk|ipek|imk(?:_?\\w+)?|udk(?:_?\\w+)?|k[bc]pk|de_?(?:2|35|36|45|52|55|64|125|128)|frame|raw|hex|dump|payload'
const SECRET_KEY = new RegExp(String.raw`(?:${SECRET_WORDS})\\*["']?\s*[:=]`, 'i')
/** Tested on a name in snake case, so that `rawFrame` and `issuer_pan` count and `draw` and `span` do not. */
const SECRET_NAME = new RegExp(`(?:^|[_.-])(?:${SECRET_WORDS})$`)
/** A name and what parts it from its value: `"pinBlock":`, `\"zpk\": `, `mak=`. */
const NAME = /(?<![\w.-])([\w.-]{2,64})(\\*["']?\s*[:=]\s*)/g
/** A text in quotes, perhaps escaped ones; a flat list; or one bare word. */
const VALUE = /"(?:\\.|[^"\\])*"?|(\\+["'])[\s\S]*?\1|'[^']*'?|\[[^[\]{}]*\]|[^\s"'\\,;}\]{[][^\s"'\\,;}\]]*/y

/** The name of a key, such as `zpk:visa` or, in a help text, `zpk:<link>`: whoever has to act must see which one is meant. */
const NAMED_KEY = /^(?:zpk|mak|bdk):$/
const OWNER_OF_KEY = /^(?:<link>|[a-z0-9][a-z0-9-]{0,31})[.:)\]]*$/
/** So many hex digits may be a key itself. */
const HEX_OF_KEY = /^[0-9a-f]{16,}/

function maskSecretValues(text: string): string {
  let result = ''
  let copied = 0
  // Step by step, because the text after a harmless name may hold a secret one.
  for (const match of text.matchAll(NAME)) {
    const snakeName = (match[1] ?? '').replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase()
    if (match.index < copied || !SECRET_NAME.test(snakeName)) continue
    const at = match.index + match[0].length
    VALUE.lastIndex = at
    const found = VALUE.exec(text)?.[0]
    if (found === undefined) continue
    if (NAMED_KEY.test(match[0]) && OWNER_OF_KEY.test(found) && !HEX_OF_KEY.test(found)) continue
    result += text.slice(copied, at) + maskSecretValue(snakeName, match[2] ?? '', found)
    copied = at + found.length
  }
  return result + text.slice(copied)
}

function maskSecretValue(snakeName: string, separator: string, found: string): string {
  const quoted = /^(\\*["'])([\s\S]*?)\1?$/.exec(found)
  const value = quoted?.[2] ?? found
  if (/^(?:true|false|null|undefined|\*+|\[masked\]|\[bytes\]|)$/.test(value)) return found
  // A number or list in JSON becomes a text, in quotes like those of its name.
  const quote = quoted?.[1] ?? /^\\*"(?=\s*:)/.exec(separator)?.[0] ?? ''
  // A card number keeps the ends that may be shown; so does what is already masked.
  const isPan = /(?:pan|card_?number|de_?2)$/.test(snakeName) && /^[\d*]{12,19}$/.test(value)
  return `${quote}${isPan ? maskPan(value) : '[masked]'}${quote}`
}
