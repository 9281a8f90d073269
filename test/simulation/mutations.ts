/** A small change of the program that breaks a promise; the simulation must notice each. */
export interface Mutation {
  readonly name: string
  /** Under `src`. */
  readonly file: string
  /** Text that stands there once. */
  readonly from: string
  readonly to: string
}

/** Planted defects, from the wire to the ledger. */
export const mutations: readonly Mutation[] = [
  {
    name: 'the balance is not looked at',
    file: 'authorization/postal.ts',
    from: 'if (asked + feePiasters > available && !partial && !honoured) {',
    to: 'if (asked + feePiasters > available + 1_000 && !partial && !honoured) {',
  },
  {
    name: 'a hold may be captured beyond its amount by anyone',
    file: 'authorization/hold-capture.ts',
    from: 'if (amount > open.openAmount && !isHonoured(request)) {',
    to: 'if (amount > 2 * open.openAmount && !isHonoured(request)) {',
  },
  {
    name: 'a reversed hold stays open',
    file: 'authorization/hold-reversal.ts',
    from: 'if (open !== undefined && released > 0) draft.set(',
    to: 'if (open !== undefined && released < 0) draft.set(',
  },
  {
    name: 'a reversal is given back each time it comes anew',
    file: 'authorization/reversal.ts',
    from: '  if (original.reversedPiasters !== undefined) {\n    const back',
    to: '  if (original.reversedPiasters === Number.NaN) {\n    const back',
  },
  {
    name: 'a repeat is decided and answered anew',
    file: 'authorization/decide.ts',
    from: '  if (previous !== undefined) {',
    to: '  if (previous !== undefined && !request.repeat) {',
  },
  {
    name: 'what a terminal stored is taken as often as it comes',
    file: 'writer/lookups.ts',
    from: 'if (isStored(request)) this.#stored.push(',
    to: 'if (isStored(request) && request.repeat) this.#stored.push(',
  },
  {
    name: 'a repeat may have another amount',
    file: 'authorization/decide.ts',
    from: 'if (previous.contentHash !== request.contentHash) {',
    to: "if (previous.contentHash !== request.contentHash && request.mti === '0100') {",
  },
  {
    name: 'cash comes out of a subsidy wallet’s account codes',
    file: 'authorization/routing.ts',
    from: 'const isCash = moneyOut.has(transactionType) || request.cashbackPiasters > 0',
    to: 'const isCash = request.cashbackPiasters > 0',
  },
  {
    name: 'a blocked card works',
    file: 'authorization/checks.ts',
    from: "  restricted: 'restricted-card',\n",
    to: '',
  },
  {
    name: 'wrong PINs are not counted',
    file: 'authorization/authentication.ts',
    from: 'const pinFailures = counters.pinFailures + 1',
    to: 'const pinFailures = counters.pinFailures',
  },
  {
    name: 'withdrawals of the day are not counted',
    file: 'authorization/postal.ts',
    from: 'const count = usage?.withdrawals ?? 0',
    to: 'const count = 0 * (usage?.withdrawals ?? 0)',
  },
  {
    name: 'an answer tells the balance before the purchase',
    file: 'authorization/postal.ts',
    from: 'const balances = [postalGroup(Math.max(0, available - granted - feePiasters))]',
    to: 'const balances = [postalGroup(available)]',
  },
  {
    name: 'one loaf more a household and day',
    file: 'benefit/entitlement.ts',
    from: 'if (perMember !== undefined) return perMember * members\n',
    to: 'if (perMember !== undefined) return perMember * members + 1\n',
  },
  {
    name: 'a closed month is opened again when the clock goes back',
    file: 'benefit/wallet.ts',
    from: 'return monthOf(lastOpenDate(programme, period)) <= closedMonth',
    to: 'return monthOf(lastOpenDate(programme, period)) < Math.min(0, closedMonth)',
  },
  {
    name: 'loaves not drawn on a month’s last day are lost',
    file: 'benefit/closing.ts',
    from: 'const days = daysOfMonth(month)',
    to: 'const days = daysOfMonth(month).slice(0, -1)',
  },
  {
    name: 'daylight time is not known',
    file: 'calendar.ts',
    from: '  const offset = local - hour * HOUR_MS\n',
    to: '  const offset = Math.min(local - hour * HOUR_MS, 2 * HOUR_MS)\n',
  },
  {
    name: 'a reversal that comes first is forgotten',
    file: 'writer/batch-decider.ts',
    from: 'const originalKey = orphan ? (request.originalKey ?? earlyKeysOf(request)[0]) : undefined',
    to: 'const originalKey = undefined',
  },
  {
    name: 'the end of a hold’s time is not looked at',
    file: 'writer/hold-sweeper.ts',
    from: '        if (this.#expire(hold)) continue\n',
    to: '        if (hold !== undefined) continue\n',
  },
  {
    name: 'a month is closed twice',
    file: 'writer/month-closing.ts',
    from: '    household.closedMonth = month\n',
    to: '    household.closedMonth = month\n    builder.addClosing(household, month, [], { month, programmes })\n',
  },
  {
    name: 'a batch is answered when it is sent',
    file: 'writer/batch-pipeline.ts',
    from: '    this.#flights.push(flight)\n',
    to: '    this.#flights.push(flight)\n    this.#answer(flight.sent)\n',
  },
  {
    name: 'memory keeps what a failed batch changed',
    file: 'writer/batch-pipeline.ts',
    from: '    for (const { touched } of [failed.sent, ...failed.behind]) this.#options.cache.drop(touched)\n',
    to: '',
  },
  {
    name: 'memory keeps what flew behind a failed batch',
    file: 'writer/batch-pipeline.ts',
    from: 'of [failed.sent, ...failed.behind]',
    to: 'of [failed.sent]',
  },
  {
    name: 'what flew behind a failed batch is forgotten',
    file: 'writer/lane.ts',
    from: '      this.#maker.putBack(behind)\n',
    to: '',
  },
  {
    name: 'a batch behind another is decided beside it',
    file: 'writer/batch-pipeline.ts',
    from: '[...this.#flights.flatMap(({ sent }) => sent.underWay), ',
    to: '[...(this.flight?.underWay ?? []), ',
  },
  {
    name: 'memory keeps what was decided and taken back',
    file: 'writer/batch-pipeline.ts',
    from: '    this.#options.cache.forget()\n',
    to: '',
  },
  {
    name: 'an unknown outcome is taken for success',
    file: 'writer/lane.ts',
    from: 'const durable = lost.findIndex(({ batch, hash }) => batch.seq === lastSeq && hash.equals(lastHash)) + 1',
    to: 'const durable = lost.length',
  },
  {
    name: 'an unknown outcome is taken for failure',
    file: 'writer/lane.ts',
    from: '    for (const sent of lost.slice(0, durable)) this.#pipeline.accept(sent)\n',
    to: '    for (const { works } of lost.slice(0, durable)) for (const work of works) this.#intake.early91(work, "budget")\n',
  },
  {
    name: 'what the fence kept out is answered',
    file: 'writer/lane.ts',
    from: '      this.#fence([sent, ...behind].flatMap(({ works }) => works))\n',
    to: '      this.#pipeline.accept(sent)\n',
  },
  {
    name: 'two messages of one key are decided side by side',
    file: 'writer/work.ts',
    from: 'if (this.#keys.has(key) || (originalKey !== undefined && this.#keys.has(originalKey))) return true',
    to: 'if (originalKey !== undefined && this.#keys.has(originalKey)) return true',
  },
  {
    name: 'what a clock that was set vouched for is believed',
    file: 'writer/recent-keys.ts',
    from: '    for (const generation of [this.#younger, this.#older]) generation.sinceMs = Math.max(generation.sinceMs, untilMs)\n',
    to: '',
  },
  {
    name: 'memory forgets what a batch has changed',
    file: 'writer/household-cache.ts',
    from: '      if (!changed.has(household)) continue\n',
    to: '      if (!changed.has(household) || entry % 2 === 1) continue\n',
  },
  {
    name: 'a command is carried out each time it is read',
    file: 'writer/inbox-poller.ts',
    from: '      this.#given.set(lane, command.id)\n',
    to: '',
  },
  {
    name: 'a frame that comes in pieces loses one',
    file: 'link/framing.ts',
    from: '    chunk.copy(body, this.#bodyHave, at, at + take)\n    this.#bodyHave += take\n',
    to: '    chunk.copy(body, 0, at, at + take)\n    this.#bodyHave += take\n',
  },
  {
    name: 'an answer goes back under the sender’s own address',
    file: 'link/tpdu.ts',
    from: '  target[at + 1] = request[3] as number\n',
    to: '  target[at + 1] = request[1] as number\n',
  },
  {
    name: 'a link for one request refuses it as one too many',
    file: 'link/server-link.ts',
    from: 'return this.#inFlight > Math.max(1, CROWDED * this.#options.maxInFlight)',
    to: 'return this.#inFlight > CROWDED * this.#options.maxInFlight',
  },
  {
    name: 'answers are sealed under an old key',
    file: 'link/message-mac.ts',
    from: '    const covered = message.buffer.subarray(message.start, message.fieldStart(field))\n',
    to: '    const covered = message.buffer.subarray(message.start, message.fieldStart(field) - 1)\n',
  },
]
