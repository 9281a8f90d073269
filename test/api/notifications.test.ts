import t from 'tap'
import { createQueues } from '../../src/jobs/delivery.ts'
import { DELIVERY_QUEUE } from '../../src/jobs/queue.ts'
import { withQueue } from '../../src/jobs/scheduler.ts'
import { prepareJobSchema } from '../../src/store/job-schema.ts'
import { apiWorld } from './api-world.ts'

const ID = 700
const HOUSEHOLD = 3

t.test('a message that was given up is looked at, and sent again, by whoever serves people', async (t) => {
  const { as, owner, url } = await apiWorld(t)
  const at = '2026-11-11T10:00:00Z'
  await owner.query(
    `insert into notification (id, lane, household_id, template, detail, batch_seq, created_at)
       overriding system value values ($1, 0, $2, 'card-blocked', '{"card": "0012"}', 1, $3)`,
    [ID, HOUSEHOLD, at],
  )
  const again = (user: string, key: string) =>
    as(user)(`/notifications/${ID}/resend`, { method: 'POST', body: {}, key })
  t.match(await again('operator', 'early'), { status: 409 }, 'nobody has looked at it yet: it waits')
  await owner.query(
    `insert into notification_delivery
       (id, household_id, template, template_group, important, state, reason, attempts, created_at, ended_at, error)
     values ($1, $2, 'card-blocked', 'blocks', true, 'dead', 'given-up', 3, $3, $3, 'HTTP 503')`,
    [ID, HOUSEHOLD, at],
  )
  const shown = await as('auditor')(`/notifications/${ID}`)
  t.match(shown, {
    status: 200,
    body: { notificationId: ID, householdId: HOUSEHOLD, state: 'dead', error: 'HTTP 503' },
  })
  t.match(await as('auditor')(`/notifications/${ID + 1}`), { status: 404 })

  t.match(await again('operator', 'no-jobs'), { status: 404, body: { detail: /no switch has run jobs here yet/ } })
  t.match(await as('auditor')(`/notifications/${ID}`), { body: { state: 'dead', resends: 0 } }, 'nothing was changed')
  await prepareJobSchema(url)
  // The queue that a switch makes when it first runs jobs.
  await withQueue(url, (boss) => createQueues(boss))

  t.match(await again('auditor', 'auditor'), { status: 403 })
  const told = await again('operator', 'ticket-12')
  t.match(told, {
    status: 200,
    body: { notificationId: ID, state: 'waiting', reason: 'resent', resends: 1, error: null },
  })
  t.same((await again('operator', 'ticket-12')).body, told.body, 'asked again, it is told what was done')
  t.match(await again('enrolment', 'other'), { status: 409 }, 'it waits already')
  const { rows } = await owner.query('select data from jobs.job where name = $1', [DELIVERY_QUEUE])
  t.same(rows, [{ data: { turns: [{ id: ID, turn: 2 }] } }], 'one job')
  const { body } = await as('auditor')(
    `/audit?household=${HOUSEHOLD}&action=POST%20/notifications/%7BnotificationId%7D/resend`,
  )
  t.match(body, { items: [{ outcome: 'done', detail: { was: 'dead' } }] }, 'the audit names who, and for whom')
  t.equal(body.items.length, 1)
})
