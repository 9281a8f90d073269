import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import type { Test } from 'tap'
import { type CommandIo, processIo } from '../../src/commands/command-io.ts'
import { householdCommand } from '../../src/commands/household.ts'
import { describeError } from '../../src/errors.ts'
import { withCheckDigit } from '../../src/identifiers.ts'
import type { Answer } from '../../src/simulator/counterparty.ts'
import type { TestCard } from '../../src/simulator/credentials.ts'
import { DemoIssuer, PSN, SERVICE_CODE, track2Of } from '../../src/simulator/demo-issuer.ts'
import type { DemoKeys } from '../../src/simulator/demo-keys.ts'
import { transaction, unitDraw } from '../../src/simulator/messages.ts'
import { startTestSwitch, type TestSwitch, type TestSwitchOptions } from '../support/switch.ts'

/** An answer of the API. */
export interface ApiAnswer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests look at
  readonly body: any
}

/** A user who is logged in. */
export interface ApiUser {
  get(where: string): Promise<ApiAnswer>
  /** Each call has an idempotency key of its own. */
  post(where: string, body?: unknown): Promise<ApiAnswer>
  /** Sends a file as the body. */
  upload(where: string, content: string): Promise<ApiAnswer>
}

/** A switch, and the people who work with it over its API. */
export interface RequirementsWorld {
  readonly world: TestSwitch
  /** A demo user, logged in at the first call. */
  user(name: string): ApiUser
  /** Something that one person asks for and another agrees to; the words of what came of it. */
  agreed(kind: string, payload: object, people?: { maker?: string; checker?: string }): Promise<string>
  /** Runs a command line of `mizan`; its output, or why it was refused. */
  run(command: (io: CommandIo) => Command, ...args: string[]): Promise<string>
  /** Draws loaves at a bakery. */
  bread(card: TestCard, governorate: string, quantity: number): Promise<Answer>
  /** What a card has, by account code, as a cash machine shows it; an account that is named comes in any case. */
  balances(card: TestCard, governorate: string, from?: string): Promise<Readonly<Record<string, number>>>
}

/** Starts a switch for the tests of requirements: what an interface exists for, they do over it. */
export async function requirementsWorld(t: Test, options: TestSwitchOptions = {}): Promise<RequirementsWorld> {
  const world = await startTestSwitch(t, options)
  const users = new ApiUsers(world)
  return {
    world,
    user: (name) => users.of(name),
    async agreed(kind, payload, { maker = 'operator', checker = 'operator-2' } = {}) {
      const asked = await users.of(maker).post('/change-requests', { kind, payload, reason: `a test of ${kind}` })
      if (asked.status !== 202) return JSON.stringify(asked.body)
      const { body } = await users.of(checker).post(`/change-requests/${asked.body.changeId}/approve`, {})
      return body.state === 'approved' ? body.result : JSON.stringify(body)
    },
    run: (command, ...args) => runCommand(world, command, ...args),
    async bread(card, governorate, quantity) {
      const terminal = world.place('bakery', governorate)
      return (await world.pos.ask(unitDraw({ card, terminal, quantity, pricePiasters: 20 }))).answer
    },
    async balances(card, governorate, from = '00') {
      const terminal = world.place('atm', governorate)
      const { answer } = await world.atm.ask(transaction('inquiry', { card, terminal, from }))
      return Object.fromEntries(answer.amounts.map(({ accountType, amount }) => [accountType, amount]))
    },
  }
}

/** Runs a command line on the database of a world; its output, or why it was refused. */
export async function runCommand(
  world: TestSwitch,
  command: (io: CommandIo) => Command,
  ...args: string[]
): Promise<string> {
  const said: string[] = []
  const env = { DATABASE_URL: world.databaseUrl, MIZAN_MASTER_KEY: 'a5'.repeat(32), MIZAN_VAR: world.varDir }
  const io = { ...processIo, env, out: (text: string) => said.push(text), note: () => undefined }
  const status = process.exitCode
  await command(io)
    .parseAsync(args, { from: 'user' })
    .catch((error: unknown) => said.push(describeError(error)))
  // What a command found is in what it said; it is no failure of whoever runs it here.
  process.exitCode = status
  return said.join('')
}

/** Loads a file of households while the switch is down; what the load says of it. */
export async function loadHouseholds(world: TestSwitch, rows: readonly object[]): Promise<string> {
  const file = path.join(world.varDir, 'households.ndjson')
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  let said = ''
  await world.restart(async () => {
    // A command line reads the machine's clock, which now is that of the world.
    const { now } = Date
    Date.now = () => world.clock.now()
    try {
      said = await runCommand(world, householdCommand, 'load', file)
    } finally {
      Date.now = now
    }
  })
  return said
}

class ApiUsers {
  readonly #world: TestSwitch
  readonly #tokens = new Map<string, Promise<string>>()
  readonly #passwords: ReadonlyMap<string, string>

  constructor(world: TestSwitch) {
    this.#world = world
    const file = path.join(world.varDir, 'demo', 'access.json')
    const { users } = JSON.parse(readFileSync(file, 'utf8')) as { users: { name: string; password: string }[] }
    this.#passwords = new Map(users.map(({ name, password }) => [name, password]))
  }

  of(name: string): ApiUser {
    const send = async (method: string, where: string, type: string, body?: string): Promise<ApiAnswer> => {
      const answer = await fetch(this.#address(where), {
        method,
        headers: {
          authorization: `Bearer ${await this.#tokenOf(name)}`,
          ...(method === 'GET' ? {} : { 'idempotency-key': randomUUID() }),
          ...(body === undefined ? {} : { 'content-type': type }),
        },
        ...(body === undefined ? {} : { body }),
      })
      return { status: answer.status, body: await answer.json() }
    }
    return {
      get: (where) => send('GET', where, ''),
      post: (where, body) =>
        send('POST', where, 'application/json', body === undefined ? undefined : JSON.stringify(body)),
      upload: (where, content) => send('POST', where, 'text/csv', content),
    }
  }

  #address(where: string): string {
    return `http://127.0.0.1:${this.#world.ports.http}/api/v1${where}`
  }

  #tokenOf(name: string): Promise<string> {
    const found = this.#tokens.get(name)
    if (found !== undefined) return found
    const asked = this.#logIn(name)
    this.#tokens.set(name, asked)
    return asked
  }

  async #logIn(name: string): Promise<string> {
    const answer = await fetch(this.#address('/auth/login'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name, password: this.#passwords.get(name) }),
    })
    const { token } = (await answer.json()) as { token: string }
    return token
  }
}

/** A card as the printer makes it, and as its holder has it; the number tells them apart. */
export function printedCard(keys: DemoKeys, number: number) {
  const face = { pan: withCheckDigit(`400000${800_000_000 + number}`), expiry: '3112', pin: '4711' }
  const issuer = new DemoIssuer(keys)
  const values = issuer.values(face)
  const { pan, expiry } = face
  const printed = { pan, expiry, sequenceNumber: PSN, serviceCode: SERVICE_CODE }
  const held: TestCard = { pan, expiry, track2: track2Of(face, values, values.cvv) }
  return { printed: { ...printed, pin: { pvki: values.pvki, pvv: values.pvv } }, held }
}

/** How a household file names a card of some kind. */
export function cardInFile(keys: DemoKeys, number: number, kind: 'family' | 'device' | 'ration') {
  const { printed, held } = printedCard(keys, number)
  const { pin, ...card } = printed
  return { row: { ...card, ...pin, kind, status: 'active' }, held }
}
