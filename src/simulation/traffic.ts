import type { Message } from '../iso8583/message.ts'
import { composeFields, type Intent, repeatMti, type Stamps } from '../simulator/messages.ts'
import { DAY_MS } from '../time-units.ts'
import type { Agenda } from './agenda.ts'
import { cairoDate, cairoTime, utcStamp } from './cairo.ts'
import type { Chance } from './chance.ts'
import { FollowUps } from './follow-ups.ts'
import type { LinkName } from './host.ts'
import { fingerprintToken, type Wish, Wishes } from './intents.ts'
import type { WorkloadKind } from './kinds.ts'
import type { Peer } from './peer.ts'
import type { EventRecord } from './record.ts'
import { type Answer, isApproved, isUndecided, keyText, type Sent } from './sent.ts'
import type { Swarm } from './swarm.ts'
import type { WorldHousehold } from './world.ts'

const REPEATS_MAX = 3
/** When nothing goes wrong any more, an answer is waited for: a storm of repeats would be a fault of its own. */
const CALM_TIMEOUT_MS = 12_000
const CALM_STEP_MS = 40
const REPEATED_DAYS = 6
const OWN_FIELDS = [4, 38, 39, 48, 54, 104] as const
/** Earlier messages that something may follow on. */
const REMEMBERED = 40

export interface TrafficOptions {
  readonly swarm: Swarm
  readonly agenda: Agenda
  readonly chance: Chance
  readonly record: EventRecord
  readonly peers: ReadonlyMap<LinkName, Peer>
  readonly households: readonly WorldHousehold[]
  /** True time. */
  readonly now: () => number
  readonly onSent: (sent: Sent) => void
  readonly onAnswer: (sent: Sent, answer: Answer) => void
  readonly onCommand: () => void
  readonly onFault: (what: string) => void
}

/**
 * The terminals of a simulation. Each sends what it wants, waits, and then repeats or reverses as terminals do; on the
 * way its messages are doubled, held up and overtaken. All of its faults end with {@link calmDown}.
 */
export class Traffic {
  readonly all: Sent[] = []
  readonly #options: TrafficOptions
  readonly #wishes: Wishes
  readonly #followUps: FollowUps
  readonly #byKey = new Map<string, Sent[]>()
  #stan = 0
  #isCalm = false

  constructor(options: TrafficOptions) {
    this.#options = options
    const { chance, households, swarm, now } = options
    const wished = chance.fork('wishes')
    this.#wishes = new Wishes(wished, households, swarm.postalMax, now)
    this.#followUps = new FollowUps(wished)
  }

  /** Messages that await an answer that ends them. */
  get outstanding(): Sent[] {
    return this.all.filter((sent) => sent.final === undefined && !sent.isAbandoned)
  }

  /** From now on messages go through as they are sent, and what has no answer yet is repeated until it has one. */
  calmDown(): void {
    this.#isCalm = true
    for (const [index, sent] of this.outstanding.entries()) {
      this.#options.agenda.after(index * CALM_STEP_MS, () => this.#again(sent))
    }
  }

  /** Starts a transaction, or something that follows on one. */
  begin(): void {
    const { chance, swarm, peers } = this.#options
    const kind = chance.weighted<WorkloadKind>(swarm.weights)
    const link = chance.pick([...peers.keys()])
    if (kind === 'command') {
      this.#options.onCommand()
    } else if (kind === 'follow-up') {
      this.#followUp()
    } else if (kind === 'altered-repeat') {
      this.#alter()
    } else if (kind === 'reversal-first') {
      this.#reverseFirst(link)
    } else {
      const wish = this.#wishes.next(kind, link)
      if (wish !== undefined) this.#send(wish, link)
    }
  }

  #recent(): Sent | undefined {
    const last = this.all.slice(-REMEMBERED)
    return last.length === 0 ? undefined : this.#options.chance.pick(last)
  }

  #followUp(): void {
    const { chance } = this.#options
    const recent = this.all.slice(-REMEMBERED)
    const approved = recent.filter(({ final, mti }) => isApproved(final?.code) && !mti.startsWith('04'))
    const original = approved.length > 0 && chance.happens(0.8) ? chance.pick(approved) : this.#recent()
    const wish = original && this.#followUps.follow(original)
    if (wish !== undefined && original !== undefined) this.#send(wish, original.link)
  }

  /** The same key with another amount: it must never be processed. */
  #alter(): void {
    const original = this.#recent()
    if (original?.kind === 'bread-offline') this.#uploadAgain(original)
    if (original === undefined || (this.#byKey.get(original.key)?.length ?? 0) > 1) return
    // A partial approval comes back with an amount of its own: of two messages nobody could tell which it answers.
    if (!['bread', 'ration'].includes(original.kind) || original.isForged) return
    const { intent, asked } = { intent: original.intent, asked: original }
    const more = 20
    const amountPiasters = original.amountPiasters + more
    const quantity = asked.quantity === undefined ? {} : { quantity: asked.quantity + 1 }
    const elements = (intent.elements ?? []).map((element) =>
      element.tag === 'QT' ? { tag: 'QT', value: String((asked.quantity ?? 0) + 1) } : element,
    )
    const altered = { ...intent, amountPiasters, elements }
    const { kind, card, household } = original
    const tender = original.tender === undefined ? {} : { tender: original.tender }
    const days = original.days === undefined ? {} : { days: original.days }
    const wish: Wish = {
      asked: { kind, card, household, amountPiasters, ...quantity, ...tender, ...days },
      intent: altered,
      acquirer: original.stamps.acquirer,
    }
    this.#options.onFault('altered-repeat')
    this.#transmit(this.#register(wish, original.link, original.stamps), true)
  }

  /** What a terminal stored, with stamps of its own: it has forgotten that it sent it before. */
  #uploadAgain(stored: Sent): void {
    const { kind, card, household, amountPiasters, quantity = 0, drawnAtMs = 0, again = stored } = stored
    const asked = { kind, card, household, amountPiasters, quantity, drawnAtMs, again }
    this.#options.onFault('uploaded-again')
    this.#send({ asked, intent: stored.intent, acquirer: stored.stamps.acquirer }, stored.link)
  }

  /** A transaction whose reversal overtakes it. */
  #reverseFirst(link: LinkName): void {
    const { chance, agenda } = this.#options
    const wish = this.#wishes.next(chance.pick(['purchase', 'bread', 'hold', 'ration'] as const), link)
    if (wish === undefined) return
    const late = this.#register(wish, link)
    const reversal = this.#followUps.reversal(late)
    if (reversal === undefined) return
    this.#options.onFault('reversal-overtakes')
    this.#send(reversal, link)
    agenda.after(chance.spread(1, 4_000), () => this.#transmit(late, false))
  }

  #send(wish: Wish, link: LinkName): Sent {
    const sent = this.#register(wish, link)
    this.#transmit(sent, false)
    return sent
  }

  /** A message with stamps of its own, or with those of the one that it pretends to be. */
  #register(wish: Wish, link: LinkName, given?: Stamps): Sent {
    const { swarm } = this.#options
    const stamps = given ?? this.#stamps(wish.acquirer)
    const dialect = this.#peer(link).dialect
    const intent = this.#withFingerprint(wish, stamps, link)
    const fields = composeFields(intent, stamps, dialect)
    const { mti, terminal } = intent
    const key = keyText(stamps.acquirer, terminal.terminalId, stamps.stan, stamps.transmission, mti)
    const isForged = wish.asked.kind === 'bad-mac' && swarm.macLinks.includes(link)
    const sent: Sent = {
      ...wish.asked,
      ...{ number: this.all.length + 1, link, mti, intent, stamps, fields, key, isForged },
      ...{
        sentMs: this.#options.now(),
        instances: 0,
        answers: [],
        final: undefined,
        isAbandoned: false,
        timeouts: 0,
        timer: undefined,
      },
    }
    this.all.push(sent)
    const same = this.#byKey.get(key)
    if (same === undefined) this.#byKey.set(key, [sent])
    else same.push(sent)
    this.#options.onSent(sent)
    return sent
  }

  #withFingerprint({ asked, intent }: Wish, stamps: Stamps, link: LinkName): Intent {
    const isRefundOfVisit = asked.kind === 'refund' && asked.original?.kind === 'visit'
    if (asked.kind !== 'visit' && !isRefundOfVisit) return intent
    const { chance, now } = this.#options
    const fields = composeFields(intent, stamps, this.#peer(link).dialect)
    const boundTo = [intent.card.pan, fields[4], fields[11], intent.terminal.terminalId.padEnd(8)].join('|')
    const token = fingerprintToken(now(), chance.bytes(8), boundTo)
    return { ...intent, elements: [...(intent.elements ?? []), { tag: 'BM', value: token }] }
  }

  #stamps(acquirer: string): Stamps {
    const nowMs = this.#options.now()
    this.#stan++
    const stan = String(this.#stan).padStart(6, '0')
    const localDate = String(cairoDate(nowMs)).slice(4)
    const rrn = String(this.#stan).padStart(12, '0')
    return { stan, rrn, transmission: utcStamp(nowMs), localTime: cairoTime(nowMs), localDate, acquirer }
  }

  #peer(link: LinkName): Peer {
    const peer = this.#options.peers.get(link)
    if (peer === undefined) throw new RangeError(`there is no peer on ${link}`)
    return peer
  }

  /** Puts a message on its way, with what the way does to it. */
  #transmit(sent: Sent, isRepeat: boolean): void {
    const { chance, swarm, agenda, onFault } = this.#options
    if (this.#isCalm) {
      this.#put(sent, isRepeat)
      return
    }
    if (chance.happens(swarm.duplicated)) {
      onFault('duplicated')
      agenda.after(chance.spread(0.5, swarm.delayMs + 1), () => this.#put(sent, isRepeat, false))
    }
    if (chance.happens(swarm.delayed)) {
      onFault('delayed')
      agenda.after(chance.next() * swarm.delayMs, () => this.#put(sent, isRepeat))
    } else {
      this.#put(sent, isRepeat)
    }
  }

  #put(sent: Sent, isRepeat: boolean, awaits = true): void {
    const { agenda, record, now } = this.#options
    if (now() - sent.sentMs > REPEATED_DAYS * DAY_MS) {
      // A terminal asks somebody else after so many days; the switch looks for firsts only so far back.
      sent.isAbandoned = true
      return
    }
    const mti = isRepeat && sent.instances > 0 ? repeatMti(sent.mti) : sent.mti
    if (this.#peer(sent.link).send(mti, sent.fields, sent.isForged)) {
      sent.instances++
      record.note(`#${sent.number} ${mti} ${sent.kind} ${describeAsked(sent)} goes out on ${sent.link}`)
    }
    if (!awaits) return
    agenda.cancel(sent.timer)
    sent.timer = agenda.after(this.#patienceMs, () => this.#onTimeout(sent))
  }

  get #patienceMs(): number {
    const { answerTimeoutMs } = this.#options.swarm
    return this.#isCalm ? Math.max(CALM_TIMEOUT_MS, answerTimeoutMs) : answerTimeoutMs
  }

  #onTimeout(sent: Sent): void {
    if (sent.final !== undefined || sent.isAbandoned) return
    const { chance, swarm } = this.#options
    sent.timeouts++
    const peer = this.#peer(sent.link)
    // A link on which nothing comes back may be dead without knowing it.
    if (peer.silentMs > this.#patienceMs) peer.reconnect()
    if (this.#isCalm || sent.mti.startsWith('04') || sent.timeouts <= chance.integer(0, REPEATS_MAX)) {
      this.#transmit(sent, true)
      return
    }
    const reversal = chance.happens(0.7) ? this.#followUps.reversal(sent) : undefined
    if (reversal === undefined) {
      this.#options.agenda.after(swarm.answerTimeoutMs, () => this.#onTimeout(sent))
      return
    }
    // The terminal forgets the transaction and insists on its reversal.
    sent.isAbandoned = true
    this.#send(reversal, sent.link)
  }

  /** An answer came back on a link. */
  receive(link: LinkName, message: Message): void {
    const text = (de: number) => message.text(de)?.trim() ?? ''
    const mti = `${message.mti[0]}${message.mti[1]}${Number(message.mti[2]) - 1}0`
    const key = keyText(text(32), text(41), text(11), text(7), mti)
    const candidates = (this.#byKey.get(key) ?? []).filter((sent) => sent.link === link)
    const echoed = Number(text(4))
    const sent = candidates.find(({ amountPiasters }) => amountPiasters === echoed) ?? candidates[0]
    if (sent === undefined) {
      this.#options.onFault('answer-to-nobody')
      return
    }
    const own: Record<string, string> = {}
    for (const de of OWN_FIELDS) {
      const value = message.text(de)
      if (value !== undefined) own[de] = value
    }
    const answer = { atMs: this.#options.agenda.nowMs, mti: message.mti, code: text(39), own }
    sent.answers.push(answer)
    this.#options.record.note(`#${sent.number} gets ${message.mti} ${answer.code} ${own[38] ?? ''}`)
    this.#options.onAnswer(sent, answer)
    this.#take(sent, answer)
  }

  #take(sent: Sent, answer: Answer): void {
    const { agenda, chance, swarm } = this.#options
    if (!isUndecided(answer.code) || (answer.code === '63' && (sent.isForged || sent.kind === 'visit'))) {
      sent.final ??= answer
      return
    }
    // Its key may have been replaced meanwhile.
    if (answer.code === '63') this.#peer(sent.link).useNewestKey()
    const isPatient = this.#isCalm || sent.mti.startsWith('04') || chance.happens(0.7)
    if (isPatient)
      agenda.after(this.#isCalm ? chance.spread(500, 6_000) : chance.spread(20, swarm.answerTimeoutMs), () =>
        this.#again(sent),
      )
    else sent.isAbandoned = true
  }

  #again(sent: Sent): void {
    if (sent.final === undefined && !sent.isAbandoned) this.#put(sent, true)
  }
}

function describeAsked({ amountPiasters, card, original, quantity, replacementPiasters }: Sent): string {
  const parts = [`${amountPiasters} by card ${card?.id ?? '?'}`]
  if (quantity !== undefined) parts.push(`${quantity} units`)
  if (original !== undefined) parts.push(`of #${original.number}`)
  if (replacementPiasters !== undefined) parts.push(`came to ${replacementPiasters}`)
  return parts.join(', ')
}
