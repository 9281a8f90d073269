import t from 'tap'
import { mayBeUsedAgain, statusRefusal } from '../../src/card/card-status.ts'
import { type CardStatus, cardStatuses } from '../../src/card/household.ts'

/** The life of a card, once more: what may follow what. */
const allowed = new Set([
  'issued active',
  'issued restricted',
  'issued lost',
  'issued stolen',
  'issued closed',
  'active restricted',
  'active lost',
  'active stolen',
  'active closed',
  'restricted active',
  'restricted lost',
  'restricted stolen',
  'restricted closed',
  'lost stolen',
  'lost closed',
  'stolen closed',
])

t.test('a card changes its status along its life, and no other way', async (t) => {
  for (const from of cardStatuses) {
    for (const to of cardStatuses) {
      const refusal = statusRefusal(from, to)
      t.equal(refusal === undefined, allowed.has(`${from} ${to}`), `${from} to ${to}`)
      if (from === to) t.equal(refusal, `the card is ${to} already`)
      else if (refusal !== undefined) t.equal(refusal, `a card that is ${from} does not become ${to}`)
    }
  }
})

t.test('nothing leads back from lost, stolen or closed, and no card is issued twice', async (t) => {
  const reachable = (from: CardStatus): Set<CardStatus> => {
    const found = new Set<CardStatus>([from])
    for (const one of found) for (const to of cardStatuses) if (statusRefusal(one, to) === undefined) found.add(to)
    return found
  }
  for (const from of ['lost', 'stolen', 'closed'] as const) {
    for (const to of ['issued', 'active', 'restricted'] as const) t.notOk(reachable(from).has(to), `${from} to ${to}`)
  }
  for (const from of cardStatuses) t.equal(reachable(from).has('issued'), from === 'issued')
  for (const from of cardStatuses) t.ok(reachable(from).has('closed'), `${from} can be closed`)
  for (const status of cardStatuses) t.equal(mayBeUsedAgain(status), reachable(status).has('active'), status)
})
