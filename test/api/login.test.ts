import t from 'tap'
import { PasswordDesk } from '../../src/api/login.ts'

t.test('no more passwords are computed at once than there are places, whoever comes while one goes on', async (t) => {
  const desk = new PasswordDesk()
  let running = 0
  let most = 0
  const compute = async (until?: Promise<void>) => {
    most = Math.max(most, ++running)
    await (until ?? new Promise((resolve) => setImmediate(resolve)))
    running--
  }
  const end = Promise.withResolvers<void>()
  const asked = [desk.turn(() => compute(end.promise)), desk.turn(() => compute()), desk.turn(() => compute())]
  // One comes at each of the moments between the end of the first and the begin of who waits.
  end.resolve()
  for (let moment = 0; moment < 12; moment++) {
    await undefined
    asked.push(desk.turn(() => compute()))
  }
  await Promise.all(asked)
  t.equal(most, 2)
  t.equal(running, 0)
  await Promise.all(Array.from({ length: 18 }, () => desk.turn(async () => undefined)))
  await t.rejects(Promise.all(Array.from({ length: 19 }, () => desk.turn(() => compute()))), {
    code: 'TOO_MANY_REQUESTS',
  })
})
