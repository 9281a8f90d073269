import { setTimeout as sleep } from 'node:timers/promises'
import { type CivilDate, formatDate } from '../../calendar.ts'
import { listProcesses } from '../../store/availability.ts'
import { laneOpenDates } from '../../store/clearing/business-day.ts'
import { noteLanesClosed } from '../../store/clearing/business-day-steps.ts'
import { type CommandState, readCommand, requestCommand } from '../../store/command-requests.ts'
import { type Client, connect } from '../../store/connection.ts'
import { enqueueCutover } from '../../store/outbound-message.ts'
import type { DayStep, DayStepContext, DayStepOutcome } from './step.ts'

/** A writer that was not heard of for so long does not run. */
const SILENT_MS = 10_000
const PATIENCE_MS = 5_000
/** How long a writer that there is has. */
const LONGEST_MS = 60_000
const POLL_MS = 25

/** How the step is made. */
export interface CloseDayOptions {
  /** How long a lane has before it is asked whether any switch writes it. */
  readonly patienceMs?: number
  /** Outbound links that are told of the cutover. */
  readonly tell?: readonly string[]
}

/**
 * Closes the day in every lane, by a command that the lane's writer takes into a batch: what comes after it is of the
 * next day, so that no row of this one can ever come again. A lane without traffic closes as well.
 */
export function closeDayStep({ patienceMs = PATIENCE_MS, tell = [] }: CloseDayOptions = {}): DayStep {
  return {
    name: 'close-day',
    description: 'no lane writes on the day any more',
    async run(context) {
      const client = await connect({ url: context.url, name: 'mizan close day', role: 'mizan_app' })
      try {
        const outcome = await closeLanes(client, context, patienceMs)
        if (outcome.state !== 'done') return outcome
        const day = formatDate(context.businessDate)
        for (const link of tell) await enqueueCutover(client, link, day, context.nowMs())
        return outcome
      } finally {
        await client.end()
      }
    },
  }
}

async function closeLanes(client: Client, context: DayStepContext, patienceMs: number): Promise<DayStepOutcome> {
  const { businessDate: date, signal } = context
  const asked = new Map<number, CommandState>()
  const beganMs = performance.now()
  for (;;) {
    signal.throwIfAborted()
    const lanes = await laneOpenDates(client)
    const open = [...lanes].filter(([, openDate]) => openDate <= date).map(([lane]) => lane)
    context.progress('closing the day in the lanes', lanes.size - open.length, lanes.size)
    if (open.length === 0) {
      await noteLanesClosed(client, date)
      return { state: 'done', words: `${lanes.size} lane(s) closed`, detail: { lanes: lanes.size } }
    }
    for (const lane of open) {
      const command = asked.get(lane) ?? (await ask(client, lane, date))
      const state = command.end === undefined ? await readCommand(client, lane, command.id) : command
      asked.set(lane, state)
      if (state.end?.done === false) {
        return { state: 'blocked', words: `lane ${lane} did not close: ${state.end.outcome}` }
      }
    }
    const waitedMs = performance.now() - beganMs
    if (waitedMs > patienceMs && !(await hasWriter(client))) {
      const words = `no switch writes the lanes ${open.join(', ')}: start one (mizan start), and the day goes on by itself`
      return { state: 'blocked', words }
    }
    if (waitedMs > LONGEST_MS)
      return { state: 'waiting', words: `the writer has not closed the lanes ${open.join(', ')}` }
    await sleep(POLL_MS)
  }
}

/** Asks a lane to close the day; again, under another key, where it refused before. */
async function ask(client: Client, lane: number, date: CivilDate): Promise<CommandState> {
  for (let attempt = 1; ; attempt++) {
    const command = await requestCommand(client, {
      lane,
      kind: 'close-day',
      detail: { date },
      requestedBy: 'cutover',
      idempotencyKey: `close-day:${formatDate(date)}:${lane}:${attempt}`,
    })
    if (command.end?.done !== false) return command
  }
}

async function hasWriter(client: Client): Promise<boolean> {
  const processes = await listProcesses(client)
  return processes.some(({ role, state, silentMs }) => role === 'active' && state === 'active' && silentMs <= SILENT_MS)
}
