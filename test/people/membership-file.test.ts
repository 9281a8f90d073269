import { type Test, test } from 'tap'
import { addDays, civilDate, formatDate } from '../../src/calendar.ts'
import type { Rejection } from '../../src/files/reject-report.ts'
import { applyMembershipFile, checkMembershipFile, type MembershipSource } from '../../src/store/membership-file.ts'
import { peopleWorld, person } from './people-world.ts'

const HEADER = 'household,event,nationalId,memberKey,name,effective,reasonCode,reason'

/** A file of the memory. */
function file(lines: readonly string[], format: 'csv' | 'ndjson' = 'csv'): MembershipSource {
  const bytes = Buffer.from(`${lines.join('\n')}\n`)
  async function* open() {
    // In pieces that end in the middle of lines and of characters.
    for (let at = 0; at < bytes.length; at += 97) yield bytes.subarray(at, at + 97)
  }
  return { name: `members.${format}`, format, open }
}

function arabic(text: string): string {
  return text.replaceAll(/\d/g, (digit) => String.fromCharCode(0x660 + Number(digit)))
}

/** The database without what a file may not change when it is only looked at. */
async function stateOf(client: { query(text: string): Promise<{ rows: unknown[] }> }) {
  const { rows } =
    await client.query(`select (select count(*) from person) as people, (select count(*) from command_inbox) as asked,
    (select md5(string_agg(t::text, ';' order by t.household_id, t.from_date)) from household_term t) as terms`)
  return rows
}

test('M18: membership files', async (t) => {
  const { world, desk } = await peopleWorld(t, { at: '2026-11-20T12:00:00+02:00' })
  const [a, b, c, d] = [world.household(), world.household(), world.household(), world.household()]
  const born = person(1, false).nationalId
  const lines = [
    `${a.id},added,${born},k-1,${person(1).name},2026-11-20,birth,`,
    `${arabic(String(b.id))},removed,${arabic(person(2).nationalId)},,,${arabic('2026')}-11-20,death,reported by the registry`,
    `${c.id},suspended,,,,2026-11-25,income,found by cleansing`,
    `${d.id},head-changed,${person(3).nationalId},,,2026-11-20,death,`,
    `99999999,added,${person(4).nationalId},,Somebody,2026-11-20,birth,`,
    `${d.id},added,29013010112345,,Somebody,2026-02-30,birth,call 01012345678`,
    `${a.id},removed,${born},,,2026-11-21,correction,entered by mistake`,
  ]
  const trailer = 'TOTAL,7,3,2,1,1,0'
  const whole = file([HEADER, ...lines, trailer])
  const rejections: Rejection[] = []
  const onReject = (rejection: Rejection) => void rejections.push(rejection)
  const members = async (householdId: number) => {
    const { rows } = await world.client.query<{ terms: string[] }>(
      `select array_agg(from_date || ' ' || members || ' ' || status order by from_date) as terms from household_term
       where household_id = $1 and from_date > 20261101`,
      [householdId],
    )
    return rows[0]?.terms
  }
  const expected = [
    {
      line: 7,
      field: 'effective',
      reason: 'must be a date that exists, written yyyy-mm-dd, from 1900-01-01 to 2999-12-31',
    },
    { line: 7, field: 'reason', reason: 'up to 200 characters, without long numbers' },
    { line: 7, field: 'nationalId', reason: 'the date of birth in the national ID does not exist' },
    { line: 5, field: 'nationalId', reason: 'is no member of this household' },
    { line: 6, field: 'household', reason: 'there is no such household' },
  ]

  await t.test('a check says what would change, and changes nothing', async (t) => {
    const before = await stateOf(world.client)
    const result = await checkMembershipFile(desk, whole, { onReject })
    t.match(result, { lines: 7, done: 4, repeated: 0, rejected: 3, wasApplied: false })
    t.same(rejections.splice(0), expected)
    t.same(await stateOf(world.client), before)
  })

  await t.test('an interrupted file goes on where it was, and changes nothing twice', async (t) => {
    let chunks = 0
    const stop = () => {
      if (++chunks === 2) throw new RangeError('interrupted')
    }
    const partly = { chunkLines: 2, onProgress: stop }
    await t.rejects(applyMembershipFile(desk, whole, 'ministry', partly), RangeError)
    t.same(await members(a.id), [`20261121 ${a.members + 1} active`], 'four lines of seven')
    const seen: number[] = []
    const onProgress = (done: number, total: number) => void seen.push(done, total)
    const result = await applyMembershipFile(desk, whole, 'ministry', { onReject, onProgress, chunkLines: 3 })
    t.match(result, {
      done: 4,
      repeated: 0,
      rejected: 3,
      events: { added: 1, removed: 2, 'head-changed': 0, suspended: 1, reinstated: 0 },
      governorates: { [c.governorate]: { suspended: 1 } },
    })
    t.same(seen, [3, 7, 6, 7, 7, 7])
    const inOrder = rejections.splice(0).toSorted((one, other) => one.line - other.line)
    t.same(
      inOrder,
      [...expected].toSorted((one, other) => one.line - other.line),
    )
    const { rows: asked } = await world.client.query('select from command_inbox')
    t.equal(asked.length, 4, 'each line once')
    t.same(await members(a.id), [`20261121 ${a.members + 1} active`, `20261122 ${a.members} active`])
    t.same(await members(b.id), [`20261121 ${Math.max(1, b.members - 1)} active`])
    t.same(await members(c.id), [`20261126 ${c.members} suspended`])
    const { rows } = await world.client.query(
      `select event, reason_code, actor, to_date from household_event e left join household_member m using (person_id)
       where e.household_id = $1 order by e.id`,
      [a.id],
    )
    t.match(rows, [
      { event: 'added', reason_code: 'birth', actor: 'ministry', to_date: 20261122 },
      { event: 'removed', reason_code: 'correction' },
    ])
  })

  await t.test('an applied file changes nothing, nor do its lines in another', async (t) => {
    const before = await stateOf(world.client)
    t.match(await applyMembershipFile(desk, whole, 'ministry', { onReject }), {
      wasApplied: true,
      done: 4,
      rejected: 3,
    })
    const byLine = (all: readonly Rejection[]) => all.toSorted((one, other) => one.line - other.line)
    t.same(byLine(rejections.splice(0)), byLine(expected), 'and tells again what was rejected, and why')
    const again = file([HEADER, ...lines.slice(0, 3), 'TOTAL,3,1,1,0,1,0'])
    t.match(await applyMembershipFile(desk, again, 'ministry'), {
      wasApplied: false,
      done: 0,
      repeated: 3,
      rejected: 0,
    })
    t.same(await stateOf(world.client), before)
  })

  await t.test('a file of JSON lines', async (t) => {
    const line = { household: d.id, event: 'suspended', effective: '2026-11-22', reasonCode: 'income' }
    const total = { lines: 1, added: 0, removed: 0, headChanged: 0, suspended: 1, reinstated: 0 }
    const json = file([JSON.stringify(line), JSON.stringify({ event: 'total', ...total })], 'ndjson')
    t.match(await checkMembershipFile(desk, json), { done: 1, rejected: 0 })
  })

  await t.test('a check decides as the file then is decided', async (t) => {
    const [full, other] = [world.household(), world.household()]
    const added = (at: number, number: number, name = person(number).name) =>
      `${at},added,${person(number, false).nationalId},,${name},2026-11-20,birth,`
    const many = Array.from({ length: 61 - full.members }, (_, at) => added(full.id, 200 + at))
    const content = [
      added(other.id, 101),
      added(other.id, 101),
      added(full.id, 101),
      added(other.id, 102, 'Name 2'),
      added(other.id, 103, 'Na\0me'),
      `${other.id},head-changed,${person(101, false).nationalId},,,2026-11-20,death,`,
      `${other.id},removed,${person(101, false).nationalId},,,2026-11-20,moved,`,
      `${other.id},suspended,,,,2026-11-22,income,`,
      `${other.id},suspended,,,,2026-11-23,income,`,
      `${other.id},removed,${person(104, false).nationalId},,,2026-11-20,moved,nul \0 here`,
      ...many,
    ]
    const total = `TOTAL,${content.length},${5 + many.length},2,1,2,0`
    const both = [HEADER, ...content, total]
    const found = async (work: typeof checkMembershipFile) => {
      const result = await work(desk, file(both), { onReject })
      const { done, repeated, rejected, events } = result
      const why = rejections.splice(0).map(({ line, field }) => `${line} ${field}`)
      return { done, repeated, rejected, events, why: why.toSorted() }
    }
    const check = await found(checkMembershipFile)
    const real = await found((at, source, options) => applyMembershipFile(at, source, 'ministry', options))
    t.same(check, real)
    t.match(real, { repeated: 1, rejected: 7 })
  })

  await t.test('a line that cannot be read is rejected by its number, and the others are carried out', async (t) => {
    const good = `${a.id},suspended,,,,2026-12-01,income,`
    const content = Buffer.concat([
      Buffer.from(
        `${HEADER}\n${good}\n${b.id},suspended,,,,2026-12-01,income,,,\n${c.id},suspnded,,,,2026-12-01,income,\n`,
      ),
      Buffer.from(`${d.id},added,${person(8).nationalId},,`),
      Buffer.from([0xe3, 0xcd, 0xe3, 0xcf]),
      Buffer.from(',2026-12-01,birth,\nTOTAL,4,1,0,0,3,0\n'),
    ])
    async function* open() {
      yield content
    }
    const broken: Rejection[] = []
    const options = { onReject: (rejection: Rejection) => void broken.push(rejection) }
    const source = { name: 'broken.csv', format: 'csv' as const, open }
    t.match(await checkMembershipFile(desk, source, options), { lines: 4, done: 1, rejected: 3 })
    t.match(broken, [
      { line: 3, reason: /10 cells and 8 columns/ },
      { line: 4, field: 'event' },
      { line: 5, reason: 'the line is not UTF-8' },
    ])
    const json = [
      '{"household":1,',
      JSON.stringify({ event: 'TOTAL', lines: 1, added: 1, removed: 0, headChanged: 0, suspended: 0, reinstated: 0 }),
    ]
    t.match(await checkMembershipFile(desk, file(json, 'ndjson')), { lines: 1, done: 0, rejected: 1 })
    await refuseAll(t, [
      [
        [HEADER, 'x,y', 'TOTAL,1,1,1,0,0,0'],
        /added 1, found 0; removed 1, found 0; lines whose event cannot be read: 2/,
      ],
    ])
  })

  await t.test('who goes from one household to another is in the other from the day after the last', async (t) => {
    const [old, next] = [world.household(), world.household()]
    const her = person(90, false)
    const tomorrow = Number(formatDate(addDays(civilDate(desk.now()), 1)).replaceAll('-', ''))
    const today = formatDate(civilDate(desk.now()))
    const named = `${old.id},added,${her.nationalId},k-90,${her.name},${today},birth,`
    const moves = [
      `${next.id},added,${her.nationalId},k-90,,${today},marriage,`,
      `${old.id},removed,${her.nationalId},,,${today},marriage,`,
      `${next.id},added,${her.nationalId},k-90,,${today},marriage,`,
    ]
    const first = file([HEADER, named, 'TOTAL,1,1,0,0,0,0'])
    t.match(await applyMembershipFile(desk, first, 'ministry', { onReject }), { done: 1 })
    const second = file([HEADER, ...moves, 'TOTAL,3,2,1,0,0,0'])
    const tooSoon = [{ line: 2, field: 'nationalId', reason: 'is a member of another household' }]
    t.match(await checkMembershipFile(desk, second, { onReject }), { done: 2, rejected: 1 })
    t.same(rejections.splice(0), tooSoon)
    t.match(await applyMembershipFile(desk, second, 'ministry', { onReject }), { done: 2, rejected: 1 })
    t.same(rejections.splice(0), tooSoon)
    const { rows } = await world.client.query(
      'select household_id::int as id, to_date from household_member m join person p on p.id = m.person_id where p.id_index = $1 order by m.id',
      [desk.personal.indexOf('national-id', her.nationalId)],
    )
    t.same(rows, [
      { id: old.id, to_date: tomorrow },
      { id: next.id, to_date: null },
    ])
    t.same(
      [await members(old.id), await members(next.id)].map((terms) => terms?.at(-1)?.slice(0, 8)),
      [String(tomorrow), String(tomorrow)],
    )
  })

  await t.test('the last member leaves, and the household ends', async (t) => {
    const alone = world.household({ members: 1 })
    const her = person(95, false)
    const today = formatDate(civilDate(desk.now()))
    const named = `${alone.id},added,${her.nationalId},k-95,${her.name},${today},correction,`
    const other = `${alone.id},removed,${person(96).nationalId},,,${today},correction,`
    const head = `${alone.id},head-changed,${her.nationalId},,,${today},correction,`
    const died = `${alone.id},removed,${her.nationalId},,,${today},death,`
    // While somebody else belongs to it, the head stays.
    const whole = file([HEADER, named, head, died, other, died, 'TOTAL,5,1,3,1,0,0'])
    const refused = [{ line: 4, field: 'nationalId', reason: 'is the head: change the head first' }]
    t.match(await checkMembershipFile(desk, whole, { onReject }), { done: 4, rejected: 1 })
    t.same(rejections.splice(0), refused)
    t.match(await applyMembershipFile(desk, whole, 'ministry', { onReject }), { done: 4, rejected: 1 })
    t.same(rejections.splice(0), refused)
    t.match((await members(alone.id))?.at(-1), / 1 suspended$/)
  })

  await t.test('a file that is cut off, or was changed, is refused as a whole', async (t) => {
    const refusals: [string[], RegExp][] = [
      [[HEADER, ...lines], /no trailer: it may be cut off/],
      [[HEADER, ...lines.slice(1), trailer], /does not agree: lines 7, found 6; added 3, found 2/],
      [[HEADER, trailer, ...lines], /stands behind the trailer/],
      [[HEADER.replace('household,', ''), trailer], /column "household" is missing/],
      [[HEADER, 'TOTAL,0,0,0'], /no trailer/],
    ]
    await refuseAll(t, refusals)
  })

  async function refuseAll(t: Test, refusals: readonly [string[], RegExp][]): Promise<void> {
    const before = await stateOf(world.client)
    for (const [content, message] of refusals) {
      await t.rejects(applyMembershipFile(desk, file(content), 'ministry'), { code: 'BAD_INPUT', message })
    }
    t.same(await stateOf(world.client), before)
  }
})
