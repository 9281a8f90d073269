import type { TestCard } from '../../src/simulator/credentials.ts'
import type { DemoKeys } from '../../src/simulator/demo-keys.ts'
import { unitDraw } from '../../src/simulator/messages.ts'
import type { TestSwitch } from '../support/switch.ts'
import { cardInFile } from './requirements-world.ts'

const GOVERNORATE = 'IS'
const LOAVES = 5
/** Which two of a household race; each pair as often as the others. */
const pairs = [
  ['family', 'ration'],
  ['family', 'device'],
  ['ration', 'device'],
] as const

/** Two cards of one household. */
export interface RacingHome {
  readonly members: number
  readonly cards: readonly [TestCard, TestCard]
}

/**
 * Households of two cards each: the family's card, its old ration card, or a telephone.
 * @param firstId number of the first; its cards are told apart by it too
 */
export function racingHouseholds(keys: DemoKeys, firstId: number, count: number) {
  const made = Array.from({ length: count }, (_, at) => {
    const id = firstId + at
    const members = 1 + (at % 7)
    const [one, other] = pairs[at % pairs.length] ?? pairs[0]
    const cards = [cardInFile(keys, 2 * id, one), cardInFile(keys, 2 * id + 1, other)] as const
    const row = {
      household: id,
      governorate: GOVERNORATE,
      oldRationCard: 'active',
      terms: [{ from: '2026-11-01', members, status: 'active' }],
      cards: cards.map((card) => card.row),
    }
    return { row, home: { members, cards: [cards[0].held, cards[1].held] } satisfies RacingHome }
  })
  return { rows: made.map(({ row }) => row), homes: made.map(({ home }): RacingHome => home) }
}

/** How races ended. */
export interface RaceTally {
  readonly rounds: number
  /** Rounds in which one card got all loaves and the other none. */
  readonly oneWinner: number
  /** Answers of the other rounds. */
  readonly otherwise: readonly string[]
}

/**
 * Lets the two cards of each household ask for all its bread of the day at once, each over a link of its own.
 * @param onRound is told after each round
 */
export async function raceForLastLoaves(
  world: TestSwitch,
  homes: readonly RacingHome[],
  onRound: (rounds: number) => void = () => undefined,
): Promise<RaceTally> {
  const { pos, atm } = world
  const terminal = world.place('bakery', GOVERNORATE)
  const otherwise: string[] = []
  for (const [round, { members, cards }] of homes.entries()) {
    const draws = cards.map((card) => unitDraw({ card, terminal, quantity: LOAVES * members, pricePiasters: 20 }))
    const messages = [pos.compose(draws[0] as never), atm.compose(draws[1] as never)] as const
    // Who is sent first takes turns.
    const sends = [() => pos.send(messages[0]), () => atm.send(messages[1])]
    if (round % 2 === 1) sends.reverse()
    const codes = (await Promise.all(sends.map((send) => send()))).map(({ code }) => code)
    if (!isOneWinner(codes.sort())) otherwise.push(codes.join(' '))
    onRound(round + 1)
  }
  return { rounds: homes.length, oneWinner: homes.length - otherwise.length, otherwise }
}

/** The other finds the day drawn, or itself stopped when it is the old card. */
function isOneWinner([winner, loser = '']: readonly string[]): boolean {
  return winner === '00' && ['51', '62'].includes(loser)
}
