import type { CivilMonth } from '../calendar.ts'
import { MizanError } from '../errors.ts'
import type { CommandInbox } from '../store/command-inbox.ts'
import type { DueHoldQuery } from '../writer/hold-sweeper.ts'
import type { ClosingQuery } from '../writer/month-sweeper.ts'
import type { Server } from './journal.ts'

/** What a writer reads beside its lanes' journals, each over a connection of its own. */
export interface SideReads {
  readonly lookup: (panIndexes: readonly string[]) => Promise<ReadonlyMap<string, number>>
  readonly dueHolds: DueHoldQuery
  readonly dueClosings: ClosingQuery
  readonly inbox: Pick<CommandInbox, 'query' | 'onArrival'>
}

/** The side reads of one process. */
export function sideReadsOf(server: Server, isAlive: () => boolean, onArrival: (wake: () => void) => void): SideReads {
  const { tables } = server.ledger
  const ask = <T>(work: () => T): Promise<T> =>
    new Promise((resolve, reject) => {
      const { readMs, lostReading } = server.faults()
      const isLost = server.chance.happens(lostReading)
      server.agenda.after(readMs, () => {
        if (!isAlive()) return
        if (isLost || server.agenda.nowMs < server.awayUntilMs) {
          reject(new MizanError('STORE_UNAVAILABLE', 'the simulation loses it'))
        } else {
          resolve(work())
        }
      })
    })
  return {
    lookup: (panIndexes) =>
      ask(() => {
        const lanes = new Map<string, number>()
        for (const panIndex of panIndexes) {
          const found = tables.householdOfCard.get(panIndex)
          if (found !== undefined) lanes.set(panIndex, found.lane)
        }
        return lanes
      }),
    dueHolds: (afterMs, untilMs, limit) =>
      ask(() =>
        [...tables.holds.values()]
          .filter(({ row, ending }) => ending === undefined && row.expiresAtMs > afterMs && row.expiresAtMs <= untilMs)
          .sort((a, b) => a.row.expiresAtMs - b.row.expiresAtMs)
          .slice(0, limit)
          .map(({ row, lane }) => ({
            holdId: row.id,
            lane,
            panIndex: tables.households.get(row.householdId)?.cards[0]?.panIndex ?? '',
            expiresAtMs: row.expiresAtMs,
          })),
      ),
    dueClosings: {
      due: (lane, untilMonth, afterHousehold, limit) =>
        ask(() =>
          server.ledger
            .openMonths(lane, untilMonth as CivilMonth)
            .filter(({ id }) => id > afterHousehold)
            .sort((a, b) => a.id - b.id)
            .slice(0, limit)
            .map(({ id, cards }) => ({ lane, householdId: id, panIndex: cards[0]?.panIndex })),
        ),
      count: (lane, untilMonth) => ask(() => server.ledger.openMonths(lane, untilMonth as CivilMonth).length),
    },
    inbox: {
      query: (places) =>
        ask(() =>
          places.flatMap(({ lane, afterId, limit }) =>
            tables.inbox
              .filter(({ command, outcome }) => command.lane === lane && command.id > afterId && outcome === undefined)
              .slice(0, limit)
              .map(({ command }) => command),
          ),
        ),
      onArrival,
    },
  }
}
