import { printable } from '../../printable.ts'
import {
  type BankEvent,
  type BankProfile,
  type MessageName,
  messageElements,
  messageVersions,
  type ReportKind,
  strictProfile,
} from './bank-events.ts'
import { ReportReader } from './camt-reader.ts'
import { PaymentReader } from './payment-reader.ts'
import { ReadContext } from './read-context.ts'
import { type FilePlace, RefusedFile } from './refusal.ts'
import {
  cut,
  defaultLimits,
  type ElementUse,
  type Position,
  textAt,
  type XmlLimits,
  type XmlNode,
  XmlReader,
  type XmlTaker,
} from './xml-reader.ts'

/** How a bank's file is read. */
export interface BankReadOptions {
  /** Name for messages. */
  readonly file: string
  /** @default strict */
  readonly profile?: BankProfile
  readonly limits?: Partial<XmlLimits>
}

const NAMESPACE = /^urn:(?:iso:std:iso:20022:tech:xsd|swift:xsd):((?:camt|pain|pacs)\.\d{3}\.\d{3}\.(\d{2}))$/
const ID_MAX = 35
/** Elements around a document: an envelope and a body. */
const ENVELOPE_MAX = 4
/** What stands in a message besides its GrpHdr; of what is entered, its own elements are looked at one by one. */
const CONTENT: Readonly<Record<MessageName, Readonly<Record<string, ElementUse>>>> = {
  'camt.052': { Rpt: 'enter' },
  'camt.053': { Stmt: 'enter' },
  'camt.054': { Ntfctn: 'enter' },
  'pain.002': { OrgnlGrpInfAndSts: 'record', OrgnlPmtInfAndSts: 'enter' },
  'pacs.002': { OrgnlGrpInfAndSts: 'record', TxInfAndSts: 'record' },
  'pacs.004': { OrgnlGrpInf: 'record', TxInf: 'record' },
  'pain.001': { PmtInf: 'enter' },
  'pacs.008': { CdtTrfTxInf: 'record' },
  'pacs.009': { CdtTrfTxInf: 'record' },
}
/** Of reports, by what they stand in. */
const KINDS: Readonly<Partial<Record<MessageName, ReportKind>>> = {
  'camt.052': 'intraday',
  'camt.053': 'statement',
  'camt.054': 'notification',
}
/** Of a payment of an entry, below the document. */
const TX_DEPTH = 5
const SNIFFED = 64

/**
 * Reads a bank's file of one message, piece by piece: first the message, then its reports with their entries, its
 * answers, returns or payments, last the end. An envelope around the document is passed over, whatever its name. Memory
 * is bounded, whatever the size of the file.
 * @throws RefusedFile naming line, column, element and reason; what came before is then void too
 */
export async function* readBankFile(
  chunks: AsyncIterable<Uint8Array>,
  options: BankReadOptions,
): AsyncGenerator<BankEvent, void, undefined> {
  const taker = new BankFileTaker(options)
  const reader = new XmlReader(options.file, taker, { ...defaultLimits, ...options.limits })
  let first = true
  for await (const chunk of chunks) {
    if (first && chunk.length > 0) {
      refuseOthers(options.file, chunk)
      first = false
    }
    try {
      reader.write(chunk)
    } catch (error) {
      // Whose file it is may stand right before what it is refused for.
      yield* taker.take()
      throw error
    }
    yield* taker.take()
  }
  reader.end()
  taker.end(reader.place())
  yield* taker.take()
}

/** Tells files that are something else by how they begin. */
function refuseOthers(file: string, chunk: Uint8Array): void {
  const head = Buffer.from(chunk.subarray(0, SNIFFED)).toString('latin1')
  const what = /^(?:101 [ \d]{10}|[56]\d{2}[ \dA-Za-z])/.test(head)
    ? 'a NACHA (ACH) file of 94-character records'
    : /^\{1:/.test(head) || /^:20:/.test(head)
      ? 'a SWIFT MT message'
      : /^PK/.test(head)
        ? 'an archive or spreadsheet'
        : head.charCodeAt(0) === 0x1f
          ? 'compressed'
          : /^\s*<(?:!doctype\s+html|html|head|body)\b/i.test(head)
            ? `a web page, which begins "${printable(head.trim())}"`
            : undefined
  if (what === undefined) return
  throw new RefusedFile(file, 'format', `it is ${what}, not an ISO 20022 message`, {
    line: 1,
    column: 1,
    path: 'the file',
  })
}

/** Follows a file's elements, and hands its records to the reader of its message. */
class BankFileTaker implements XmlTaker {
  readonly #context: ReadContext
  #events: BankEvent[] = []
  /** Depth of `Document`; 0 before it, and after its end. */
  #document = 0
  #wasDocument = false
  #namespace = ''
  #message: MessageName | undefined
  #root = ''
  /** Name of the outermost element. */
  #first = ''
  #businessMessageId: string | undefined
  #isSaid = false
  #reports = 0
  #payments: PaymentReader | undefined
  #report: ReportReader | undefined

  constructor({ file, profile = strictProfile }: BankReadOptions) {
    this.#context = new ReadContext(file, profile)
  }

  /** What was read since the last time. */
  take(): BankEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  end(place: FilePlace): void {
    if (!this.#wasDocument)
      this.#context.refuse(
        place,
        this.#businessMessageId === undefined
          ? `there is no Document: it is no ISO 20022 message, its first element is ${printable(this.#first)}`
          : 'a business header without its Document',
      )
    if (!this.#isSaid) this.#context.refuse(place, 'the message has no GrpHdr')
    const kind = this.#kind()
    if (kind !== undefined && this.#reports === 0) this.#context.refuse(place, `the message has no ${kind}`)
    this.#payments?.end()
    this.#events.push({ type: 'end', forgiven: this.#context.forgiven })
  }

  use(path: readonly string[], namespace: string, position: Position): ElementUse {
    const name = path.at(-1) ?? ''
    if (this.#document === 0) return this.#useOutside(path, namespace, position)
    const depth = path.length - this.#document
    if (depth === 1) return this.#useMessage(path, namespace, position)
    if (namespace !== this.#namespace) {
      this.#context.refuse(placeAt(path, position), `${name} is of the namespace "${namespace.slice(0, 80)}"`)
    }
    return depth === 2 ? this.#useContent(name, placeAt(path, position)) : 'record'
  }

  #useContent(name: string, place: FilePlace): ElementUse {
    if (name === 'GrpHdr' || name === 'SplmtryData' || this.#message === undefined) return 'record'
    const content = CONTENT[this.#message]
    const use = Object.hasOwn(content, name) ? content[name] : undefined
    return use ?? this.#context.refuse(place, `${name.slice(0, 40)} does not belong into ${this.#root}`)
  }

  /** Payments of an entry, of which there may be very many. */
  isPart(path: readonly string[]): boolean {
    if (path.length !== this.#document + TX_DEPTH || this.#report === undefined) return false
    return path.at(-1) === 'TxDtls' && path.at(-2) === 'NtryDtls' && path.at(-3) === 'Ntry'
  }

  #kind(): ReportKind | undefined {
    return this.#message === undefined ? undefined : KINDS[this.#message]
  }

  #useOutside(path: readonly string[], namespace: string, position: Position): ElementUse {
    const name = path.at(-1) ?? ''
    const place = placeAt(path, position)
    if (this.#first === '') this.#first = name
    if (name === 'AppHdr') return 'record'
    if (name === 'Document') {
      if (this.#wasDocument) this.#context.refuse(place, 'a second Document; a file has one')
      this.#namespace = namespace
      this.#document = path.length
      this.#wasDocument = true
      return 'enter'
    }
    if (Object.hasOwn(messageElements, name)) this.#context.refuse(place, `${name} stands outside of a Document`)
    if (path.length >= ENVELOPE_MAX) this.#context.refuse(place, 'there is no Document')
    return 'enter'
  }

  #useMessage(path: readonly string[], namespace: string, position: Position): ElementUse {
    const name = path.at(-1) ?? ''
    const place = placeAt(path, position)
    if (namespace !== this.#namespace) {
      this.#context.refuse(place, `it is of the namespace "${namespace.slice(0, 80)}", its Document is not`)
    }
    if (this.#message !== undefined) this.#context.refuse(place, 'a second message; a Document has one')
    const message = Object.hasOwn(messageElements, name)
      ? messageElements[name as keyof typeof messageElements]
      : undefined
    if (message === undefined) this.#context.refuse(place, `the message ${name} is none that is read: ${readable}`)
    const match = NAMESPACE.exec(this.#namespace)
    if (match === null) {
      this.#context.forgive('namespace', place, `"${this.#namespace.slice(0, 80)}" is no namespace of ISO 20022`)
    } else if (match[1]?.startsWith(message) !== true) {
      this.#context.refuse(place, `the namespace is ${match[1]} and the message ${message}`)
    } else {
      const [first, last] = messageVersions[message]
      const version = Number(match[2])
      if (version < first || version > last) this.#context.forgive('version', place, `version ${match[1]} is not known`)
    }
    this.#message = message
    this.#root = name
    if (!message.startsWith('camt')) this.#payments = new PaymentReader(this.#context, message)
    return 'enter'
  }

  opened(path: readonly string[], position: Position): void {
    if (this.#document === 0 || path.length !== this.#document + 2) return
    const kind = this.#kind()
    if (kind === undefined) return
    if (!this.#isSaid) this.#context.refuse(placeAt(path, position), 'the message has no GrpHdr before it')
    this.#reports++
    this.#report = new ReportReader(this.#context, kind, path.join('/'))
  }

  record(path: readonly string[], node: XmlNode): void {
    if (this.#document === 0) {
      this.#businessMessageId = cut(textAt(node, 'BizMsgIdr') ?? textAt(node, 'MsgRef') ?? '', ID_MAX)
      return
    }
    const depth = path.length - this.#document
    this.#context.path = path.join('/')
    if (depth === 2 && node.name === 'GrpHdr') this.#say(node)
    else if (!this.#isSaid) this.#context.refuse(placeAt(path, node), 'the message has no GrpHdr before it')
    if (this.#report !== undefined) this.#push(this.#report.part(node))
    else if (this.#payments !== undefined) {
      this.#push(depth === 2 ? this.#payments.record(node) : this.#payments.within(node))
    }
  }

  part(path: readonly string[], node: XmlNode): void {
    this.#context.path = path.join('/')
    this.#report?.transaction(node)
  }

  closed(path: readonly string[], { line, column }: Position): void {
    if (this.#document === 0) return
    const depth = path.length - this.#document
    this.#context.path = path.join('/')
    if (depth === 2 && this.#report !== undefined) {
      this.#push(this.#report.end({ name: path.at(-1) ?? '', line, column }))
      this.#report = undefined
    } else if (depth === 2 && this.#payments !== undefined) this.#push(this.#payments.blockEnd())
    else if (depth === 0) this.#document = 0
  }

  stray(place: FilePlace, text: string): void {
    const words = text === '' ? 'white space that is none in XML' : `the text "${text.slice(0, 40)}"`
    this.#context.forgive('stray-text', place, `${words} stands where only elements may`)
  }

  /** The message, once its header is read. */
  #say(node: XmlNode): void {
    const name = this.#message
    if (name === undefined || this.#isSaid) this.#context.refuse(this.#context.placeOf(node), 'a second GrpHdr')
    this.#isSaid = true
    this.#events.push({
      type: 'message',
      name,
      schema: NAMESPACE.exec(this.#namespace)?.[1] ?? name,
      messageId: this.#context.required(node, ID_MAX, 'MsgId'),
      createdMs: this.#context.instant(node, 'CreDtTm'),
      businessMessageId: this.#businessMessageId || undefined,
    })
  }

  #push(events: Iterable<BankEvent>): void {
    for (const event of events) this.#events.push(event)
  }
}

function placeAt(path: readonly string[], { line, column }: Position): FilePlace {
  return { line, column, path: path.join('/') }
}

const readable = [...new Set(Object.values(messageElements))].join(', ')
