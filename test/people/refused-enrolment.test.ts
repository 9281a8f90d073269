import { test } from 'tap'
import { connect } from '../../src/store/connection.ts'
import { addMember, type EnrolmentInput, enrolHousehold } from '../../src/store/people-enrolment.ts'
import { changeMobile } from '../../src/store/people-entry.ts'
import { readMembers } from '../../src/store/people-reader.ts'
import { readRecipients } from '../../src/store/people-register.ts'
import { inTransaction } from '../../src/store/transaction.ts'
import { peopleWorld, person } from './people-world.ts'

const clerk = { name: 'clerk' }

test('a refused enrolment holds nobody, and what is wrong with people is said at once', async (t) => {
  const { world, desk, outcome } = await peopleWorld(t, { at: '2026-11-26T12:00:00+02:00', households: 5 })
  const home = (input: Partial<EnrolmentInput> & Pick<EnrolmentInput, 'head'>) =>
    enrolHousehold(desk, { members: [], governorate: 'PTS', hasOldRationCard: false, ...input }, clerk)
  /** One that only the writer refuses. */
  const refused = async (input: Parameters<typeof home>[0]) =>
    t.match(await outcome((await home({ ...input, classes: ['No class'] })).command), /^refused:/)

  await t.test('its mobile number is free for another, and what was misspelt is put right', async (t) => {
    const [first, second] = [person(1), person(2)]
    await refused({ head: { ...first, name: 'Misspelt' }, members: [person(3, false)] })
    const other = await home({ head: { ...second, mobile: first.mobile } })
    t.match(await outcome(other.command), /^done:/, 'another person has the number now')
    t.match(
      await outcome((await home({ head: { ...first, mobile: '01000000077' }, members: [person(3, false)] })).command),
      /^done:/,
    )
    t.equal((await readRecipients(desk, [other.householdId]))(other.householdId)?.mobile, '+201000000001')
  })

  await t.test('the name of a person who was left behind is the one that is given last', async (t) => {
    const given = person(10)
    await refused({ head: { ...given, name: 'Misspelt' } })
    const { householdId, command } = await home({ head: given })
    t.match(await outcome(command), /^done:/)
    t.match(await readMembers(desk, householdId), [{ name: given.name, mobile: '**********010' }])
    const { rows } = await world.client.query<{ what: string }>(
      'select what from person_event where person_id = (select person_id from household_member where household_id = $1) order by id',
      [householdId],
    )
    t.same(
      rows.map(({ what }) => what),
      ['registered', 'name-changed'],
    )
  })

  await t.test('a number that only such a person has is free for a change too', async (t) => {
    await refused({ head: person(20) })
    const { householdId, command } = await home({ head: person(21) })
    await outcome(command)
    const [head] = await readMembers(desk, householdId)
    const input = { mobile: person(20).mobile ?? '', mobileProof: 'contract' }
    t.equal(await changeMobile(desk, head?.personId ?? 0, input, clerk), '**********020')
  })

  await t.test('an enrolment that is asked for and not carried out yet holds its people', async (t) => {
    const client = await connect({ url: world.databaseUrl, name: 'mizan test', role: 'mizan_app' })
    t.teardown(() => client.end())
    const other = { ...desk, client }
    const input = { members: [], governorate: 'PTS', hasOldRationCard: false }
    await desk.client.query('begin')
    const first = await enrolHousehold(desk, { ...input, head: person(30) }, clerk)
    const second = inTransaction(client, () =>
      enrolHousehold(other, { ...input, head: { ...person(31), mobile: person(30).mobile } }, clerk),
    )
    const rejected = t.rejects(second, { code: 'BAD_INPUT', message: /mobile: the number is registered for another/ })
    await desk.client.query('commit')
    await rejected
    t.match(await outcome(first.command), /^done:/)
    t.equal((await readRecipients(desk, [first.householdId]))(first.householdId)?.mobile, '+201000000030')

    // The same at somebody who was left behind: the second waits for the first, and sees its command.
    await refused({ head: person(32) })
    await desk.client.query('begin')
    const again = await enrolHousehold(desk, { ...input, head: person(32) }, clerk)
    const late = inTransaction(client, () =>
      enrolHousehold(other, { ...input, head: { ...person(33), mobile: person(32).mobile } }, clerk),
    )
    let isSettled = false
    const lateRejected = t.rejects(late, { message: /mobile: the number is registered for another/ }).finally(() => {
      isSettled = true
    })
    const isWaiting = async () => (await world.client.query('select from pg_locks where not granted')).rowCount !== 0
    while (!isSettled && !(await isWaiting())) await new Promise((go) => setTimeout(go, 5))
    await desk.client.query('commit')
    await lateRejected
    t.match(await outcome(again.command), /^done:/)
  })

  await t.test('a day that is past is refused before anybody is entered', async (t) => {
    const count = async () => (await world.client.query('select from person')).rowCount
    const before = await count()
    await t.rejects(home({ head: person(40), entitledFrom: '2026-10-01' }), {
      code: 'BAD_INPUT',
      message: /entitledFrom: this month or later/,
    })
    t.equal(await count(), before)
  })

  await t.test('all that is wrong with people who are known is said at once, with its field', async (t) => {
    const { householdId, command } = await home({ head: person(50), members: [person(51, false)] })
    await outcome(command)
    const members = [person(51, false), { ...person(53), mobile: person(52).mobile }]
    await t.rejects(home({ head: { ...person(52), mobile: person(50).mobile }, members }), {
      message:
        /: head\.mobile: the number is registered for another person; members\[0\]\.nationalId: this person is a member of a household already$/,
    })
    await t.rejects(home({ head: person(52), members: [{ ...person(53), mobile: person(52).mobile }] }), {
      message: /members\[0\]\.mobile: the same as of head/,
    })
    // Of a head of another household that is the reason, not that the number is another one.
    await t.rejects(home({ head: { ...person(50), mobile: '01000000099' } }), {
      message: /: head\.nationalId: this person is a member of a household already$/,
    })
    await t.rejects(addMember(desk, householdId, { ...person(51, false), reasonCode: 'birth' }, clerk), {
      message: /: nationalId: this person is a member of a household already$/,
    })
  })
})
