import { Command, Option } from 'commander'
import { MizanError } from '../errors.ts'
import { describeMessage, describeVisaHeader, shownValue } from '../iso8583/describe.ts'
import type { Message } from '../iso8583/message.ts'
import type { VisaHeaderResult } from '../iso8583/visa-header.ts'
import { parseVisaHeader } from '../iso8583/visa-header.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { shippedDialect } from './dialect-files.ts'

const TPDU_BYTES = 5
const framings = ['none', 'len2', 'ascii4', 'visa'] as const
type Framing = (typeof framings)[number]

interface DecodeOptions {
  dialect: string
  framing: Framing
  header: boolean
  tpdu: boolean
  json: boolean
  clear: boolean
}

/** `mizan decode`: shows a message that is given in hex. Exit status 1 when it is malformed. */
export function decodeCommand(io: CommandIo = processIo): Command {
  return new Command('decode')
    .description('show a message given in hex, masked')
    .argument('[hex]', 'the message; read from standard input when absent')
    .requiredOption('--dialect <name>', 'dialect of the message')
    .addOption(new Option('--framing <framing>', 'what stands before the message').choices(framings).default('none'))
    .option('--header', 'a 22-byte Visa header precedes the message (implied by --framing visa)', false)
    .option('--tpdu', 'a 5-byte TPDU precedes the message', false)
    .option('--json', 'print {mti, fields, offsets}', false)
    .option('--clear', 'do not mask anything', false)
    .action((hex: string | undefined, options: DecodeOptions) => {
      const text = (hex ?? io.readText('-')).replace(/\s+/g, '')
      if (!decode(io, parseHex(text), options)) process.exitCode = 1
    })
}

/** Bytes of a hex text. */
function parseHex(text: string): Buffer {
  if (text === '') throw new MizanError('BAD_INPUT', 'no hex given')
  if (text.length % 2 !== 0) throw new MizanError('BAD_INPUT', 'an odd count of hex digits')
  const position = text.search(/[^0-9a-f]/i)
  if (position >= 0) throw new MizanError('BAD_INPUT', `character ${position + 1} is not a hex digit`)
  return Buffer.from(text, 'hex')
}

/** Prints a message; returns whether it is well-formed. */
function decode(io: CommandIo, bytes: Buffer, options: DecodeOptions): boolean {
  const dialect = shippedDialect(options.dialect)
  let start = frameEnd(bytes, options.framing)
  let visa: VisaHeaderResult | undefined
  if (options.framing === 'visa' || options.header) {
    visa = parseVisaHeader(bytes, start)
    if (visa.header === undefined) throw new MizanError('BAD_INPUT', `the Visa header: ${visa.failure?.message}`)
    start = visa.bodyStart
  }
  if (options.tpdu) start += TPDU_BYTES
  if (start > bytes.length) throw new MizanError('BAD_INPUT', 'the TPDU is cut off')
  const message = dialect.decode(bytes, start)
  io.out(`${options.json ? asJson(message, visa, options.clear) : asText(message, visa, options.clear)}\n`)
  return message.failure === undefined
}

/** Position behind the length header, whose length must be right. */
function frameEnd(bytes: Buffer, framing: Framing): number {
  if (framing === 'none') return 0
  const size = framing === 'len2' ? 2 : 4
  if (bytes.length < size) throw new MizanError('BAD_INPUT', 'the length header is cut off')
  const head = bytes.toString('latin1', 0, size)
  if (framing === 'ascii4' && !/^\d{4}$/.test(head)) {
    throw new MizanError('BAD_INPUT', 'the length header is not four digits')
  }
  const announced = framing === 'ascii4' ? Number(head) : bytes.readUInt16BE(0)
  const follows = bytes.length - size
  if (announced === follows) return size
  throw new MizanError('BAD_INPUT', `the length header says ${announced} bytes, ${follows} follow`)
}

function asText(message: Message, visa: VisaHeaderResult | undefined, clear: boolean): string {
  const lines = describeMessage(message, { clear })
  if (visa?.header === undefined) return lines
  return `${describeVisaHeader(visa.header, visa.reject)}\n${lines}`
}

function asJson(message: Message, visa: VisaHeaderResult | undefined, clear: boolean): string {
  const fields = Object.fromEntries(message.fieldNumbers().map((de) => [de, shownValue(message, de, clear)]))
  return JSON.stringify({
    mti: message.mti,
    fields,
    offsets: message.offsets(),
    bitmaps: message.bitmaps,
    ...(visa?.header === undefined ? {} : { header: visa.header }),
    ...(visa?.reject === undefined ? {} : { reject: visa.reject }),
    ...(message.failure === undefined ? {} : { failure: message.failure }),
  })
}
