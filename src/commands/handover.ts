import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { MizanError } from '../errors.ts'
import { noteAudit } from '../store/audit-store.ts'
import { askHandover, type ListedProcess, listProcesses } from '../store/availability.ts'
import type { Client } from '../store/connection.ts'
import { SECOND_MS } from '../time-units.ts'
import { systemActor } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { atDatabase } from './database-desk.ts'

interface HandoverOptions {
  readonly config?: string
  readonly json: boolean
  readonly timeout: string
  readonly status?: true
}

/** A process that was silent for longer counts as gone. */
const SILENT_MS = 10_000
const POLL_MS = 50
const WAIT_MAX_S = 600

/** `mizan handover`: moves the lanes from the process that answers to the one that stands by. */
export function handoverCommand(io: CommandIo = processIo): Command {
  return new Command('handover')
    .description('move the work from the process that answers to the one that stands by; see docs/availability.md')
    .option('--status', 'only show the processes')
    .option('--timeout <seconds>', 'how long to wait until the other process has the lanes', '30')
    .option('--config <file>', 'configuration file (JSON); see docs/configuration.md')
    .option('--json', 'print JSON', false)
    .action((options: HandoverOptions) => {
      const waitMs = parseTimeout(options.timeout)
      return atDatabase(io, options, 'mizan handover', async ({ client }) => {
        const tookMs = options.status === true ? undefined : await handOver(client, systemActor(io), waitMs)
        const processes = await listProcesses(client)
        if (options.json) io.out(`${JSON.stringify(tookMs === undefined ? { processes } : { tookMs, processes })}\n`)
        else io.out(inWords(processes, tookMs))
      })
    })
}

/** @returns milliseconds until the other process had the lanes */
async function handOver(client: Client, by: string, waitMs: number): Promise<number> {
  const before = await listProcesses(client)
  const writers = before.filter(
    ({ role, state, silentMs }) => role === 'active' && state === 'active' && silentMs < SILENT_MS,
  )
  const [writer] = writers
  if (writer === undefined)
    throw new MizanError('CONFLICT', 'no process writes the lanes; one that stands by takes them by itself')
  if (!before.some(({ role, silentMs }) => role === 'standby' && silentMs < SILENT_MS)) {
    throw new MizanError('CONFLICT', 'no process stands by: start one with mizan start --standby')
  }
  const beganMs = performance.now()
  await askHandover(client, by)
  const detail = { from: writer.instance, host: writer.host, pid: writer.pid }
  const event = {
    actor: by,
    source: 'local',
    requestId: '',
    action: 'handover',
    outcome: 'accepted',
  } as const
  await noteAudit(client, { ...event, detail })
  while (performance.now() - beganMs < waitMs) {
    const rows = (await listProcesses(client)).filter(({ role }) => role === 'active')
    const moved = rows.every(({ instance, state }) => instance !== writer.instance && state === 'active')
    if (moved) return Math.round(performance.now() - beganMs)
    await sleep(POLL_MS)
  }
  throw new MizanError('LINK_TIMEOUT', 'the lanes have not moved yet; mizan handover --status shows who has them')
}

function inWords(processes: readonly ListedProcess[], tookMs: number | undefined): string {
  const lines = processes.map(({ role, lane, host, pid, epoch, state, silentMs }) => {
    const heard = silentMs < SILENT_MS ? 'alive' : `silent for ${Math.round(silentMs / SECOND_MS)} s`
    const what =
      role === 'standby' ? 'stands by' : `lane ${lane}, epoch ${epoch}${state === 'released' ? ', released' : ''}`
    return `${role.padEnd(8)} ${host} pid ${pid}: ${what}, ${heard}\n`
  })
  if (lines.length === 0) lines.push('no process has written the lanes yet\n')
  return (tookMs === undefined ? '' : `handed over in ${tookMs} ms\n`) + lines.join('')
}

function parseTimeout(text: string): number {
  const seconds = Number(text)
  if (/^\d{1,3}$/.test(text) && seconds >= 1 && seconds <= WAIT_MAX_S) return seconds * SECOND_MS
  throw new MizanError('BAD_INPUT', `--timeout is 1 to ${WAIT_MAX_S} seconds`)
}
