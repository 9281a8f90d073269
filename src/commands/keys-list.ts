import { Command } from 'commander'
import { MizanError } from '../errors.ts'
import { printable } from '../printable.ts'
import { type KeyFamily, keyFamilies, nameFormOf } from '../security/keys/key-families.ts'
import { type KeyEvent, readKeyEvents, type StoredKey } from '../store/key-store.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, printed, withCommonOptions } from './common-options.ts'
import { atKeyDesk, keyAsJson } from './keys-desk.ts'

/** `mizan keys list`: what keys there are; never a key. */
export function listCommand(io: CommandIo): Command {
  const command = new Command('list')
    .description('list the keys: name, version, status, usage, algorithm, check value, validity')
    .option('--blocks', 'also the key blocks; each is under the master key', false)
  return withCommonOptions(command).action(async (options: CommonOptions & { blocks: boolean }) =>
    atKeyDesk(io, options, async ({ keys, nowMs }) => {
      const listed = keys.map((key) => listedKey(key, nowMs, options.blocks))
      if (options.json) io.out(`${JSON.stringify(listed)}\n`)
      else io.out(`${listed.map(rowOf).join('\n')}\n${listed.length} key(s)\n`)
    }),
  )
}

interface ListedKey extends ReturnType<typeof keyAsJson> {
  readonly inUse: boolean
  /** Sent to its peer, which has not confirmed it. */
  readonly announced: boolean
  readonly createdAt: string
  readonly createdBy: string
  readonly block?: string
}

function listedKey(key: StoredKey, nowMs: number, withBlock: boolean): ListedKey {
  const { block, createdBy } = key
  const inTime = key.validFromMs <= nowMs && (key.validToMs === undefined || key.validToMs > nowMs)
  return {
    ...keyAsJson(key),
    inUse: key.status === 'active' && inTime,
    announced: key.announced === true,
    createdAt: new Date(key.createdAtMs).toISOString(),
    createdBy,
    ...(withBlock ? { block } : {}),
  }
}

function rowOf(key: ListedKey): string {
  const status = key.status === 'active' && !key.inUse ? 'out of time' : key.status
  const validity = key.validTo === null ? `since ${minute(key.validFrom)}` : `until ${minute(key.validTo)}`
  const row = [
    key.name.padEnd(22),
    `v${key.version}`.padEnd(5),
    status.padEnd(12),
    `${key.usage}${key.algorithm}${key.modeOfUse}${key.exportability}`.padEnd(7),
    key.checkValue,
    ` ${validity}${key.announced && key.inUse ? ', not confirmed by its peer' : ''}`,
  ].join(' ')
  return key.block === undefined ? row : `${row}\n  ${key.block}`
}

function minute(instant: string): string {
  return `${instant.slice(0, 10)} ${instant.slice(11, 16)}Z`
}

/** `mizan keys families`: what keys there can be, and how they are named. */
export function familiesCommand(io: CommandIo): Command {
  const command = new Command('families').description(
    'list the kinds of keys: how they are named, usage, algorithms, purpose',
  )
  return withCommonOptions(command).action((options: CommonOptions) =>
    printed(io, options, keyFamilies.map(familyAsJson), () => keyFamilies.map(familyInWords)),
  )
}

function familyAsJson(family: KeyFamily): Readonly<Record<string, unknown>> {
  const { usage, modeOfUse, lengths, exportability, purpose } = family
  const algorithms = lengths.map(([algorithm, bytes]) => ({ algorithm, bytes }))
  return { name: nameFormOf(family), usage, modeOfUse, algorithms, exportability, purpose }
}

function familyInWords(family: KeyFamily): string {
  const lengths = family.lengths.map(([algorithm, bytes]) => `${algorithm} ${bytes.join('/')}`).join(', ')
  const columns = [nameFormOf(family).padEnd(32), family.usage, family.modeOfUse, lengths.padEnd(24)]
  return `${columns.join('  ')}  ${family.purpose}`
}

const AUDIT_ROWS = 50
const AUDIT_ROWS_MAX = 100_000

/** `mizan keys audit`: what was done with keys and custodians. */
export function auditCommand(io: CommandIo): Command {
  const command = new Command('audit')
    .description('show what was done with keys and custodians, and by whom; the newest first')
    .argument('[name]', 'of a key or custodian')
    .option('--limit <rows>', 'how many events', String(AUDIT_ROWS))
  return withCommonOptions(command).action(
    async (name: string | undefined, options: CommonOptions & { limit: string }) =>
      atKeyDesk(io, options, async ({ client }) => {
        const events = await readKeyEvents(client, limitOf(options.limit), name)
        if (options.json) io.out(`${JSON.stringify(events.map(eventAsJson))}\n`)
        else for (const event of events) io.out(`${eventInWords(event)}\n`)
      }),
  )
}

function limitOf(text: string): number {
  if (/^[1-9][0-9]*$/.test(text) && Number(text) <= AUDIT_ROWS_MAX) return Number(text)
  throw new MizanError('BAD_INPUT', `--limit must be 1 to ${AUDIT_ROWS_MAX}`)
}

function eventAsJson({ atMs, ...event }: KeyEvent): Record<string, unknown> {
  return { at: new Date(atMs).toISOString(), ...event }
}

function eventInWords({ atMs, actor, custodians, action, name, version, checkValue, detail }: KeyEvent): string {
  const key = version === undefined ? name : `${name} v${version} ${checkValue ?? ''}`
  const who = custodians.length === 0 ? actor : `${actor}, custodians ${custodians.join(' and ')}`
  // What somebody typed as a reason must not make a line of its own.
  const why = detail === '' ? '' : `: ${printable(detail, detail.length)}`
  return `${new Date(atMs).toISOString()}  ${action.padEnd(21)} ${key}  by ${who}${why}`
}
