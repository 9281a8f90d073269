import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Test } from 'tap'
import { apiKeyCommand } from '../../src/commands/api-key.ts'
import { auditCommand } from '../../src/commands/audit.ts'
import { userCommand } from '../../src/commands/user.ts'
import { commandRunner } from '../support/command.ts'
import type { ApiWorld } from './api-world.ts'

/** Users, keys and the audit on the command line, on a world whose audit is whole. */
export async function commandLineCases(t: Test, world: ApiWorld): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'mizan-access-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const run = commandRunner({ DATABASE_URL: world.url, MIZAN_VAR: folder })
  const password = 'a long first password'
  const login = (name: string, given: string) => world.as()('/auth/login', { body: { name, password: given } })

  await t.test('the first administrator is added here, and changes the password before anything else', async (t) => {
    const added = await run(userCommand, ['add', 'first-one', '--role', 'admin'], `${password}\n`)
    t.match(added, { status: 0, out: 'user first-one is added: admin\n' })
    t.match((await login('first-one', password)).body, { mustChange: true, roles: ['admin'] })
    const file = path.join(folder, 'password')
    writeFileSync(file, 'another long password\n', { mode: 0o600 })
    const set = await run(userCommand, ['password', 'first-one', '--password-file', file, '--keep'])
    t.match(set.out, /the password of first-one is set/)
    t.match((await login('first-one', 'another long password')).body, { mustChange: false })
    t.match((await run(userCommand, ['roles', 'first-one', '--role', 'auditor,analyst'])).out, /auditor, analyst/)
    const listed = JSON.parse((await run(userCommand, ['list', '--json'])).out) as { name: string }[]
    t.match(
      listed.find(({ name }) => name === 'first-one'),
      { roles: ['auditor', 'analyst'], mustChange: false },
    )
    t.equal((await run(userCommand, ['disable', 'first-one'])).status, 0)
    t.match((await run(userCommand, ['list'])).out, /first-one .* disabled 20/)
  })

  await t.test('what is not right is refused in one clear line, and nothing is added', async (t) => {
    const refusals: [string[], string, RegExp][] = [
      [['add', 'x', '--role', 'admin'], password, /the name of a user is 2 to 32/],
      [['add', 'someone', '--role', 'king'], password, /king is no role: enrolment, operator/],
      [['add', 'someone', '--role', 'admin'], 'short', /a secret has 12 to 256 characters/],
      [['add', 'admin', '--role', 'admin'], password, /there is, or was, a user of this name/],
      [['password', 'nobody-here'], password, /there is no user of this name/],
    ]
    for (const [args, input, message] of refusals) {
      const { status, errors, out } = await run(userCommand, args, `${input}\n`)
      t.match({ status, errors, out }, { status: 1, errors: message, out: '' }, args.join(' '))
    }
  })

  await t.test('keys are listed and revoked', async (t) => {
    const made = await world.as('admin')('/api-keys', { body: { label: 'nightly', roles: ['auditor'], days: 3 } })
    const { keyId, key } = made.body
    const listed = await run(apiKeyCommand, ['list'])
    t.match(listed.out, `${keyId}  nightly (auditor); made by admin; never used; holds until`)
    t.notMatch(listed.out, key.slice(17))
    t.match((await run(apiKeyCommand, ['revoke', keyId])).out, `key ${keyId} is revoked`)
    t.equal((await world.with({ authorization: `Bearer ${key}` })('/auth/me')).status, 401)
  })

  await t.test('the audit is listed by household, and a change of it shows', async (t) => {
    await world.as('operator')('/households/7')
    const { out } = await run(auditCommand, ['list', '--household', '7'])
    t.match(out, /user:operator \(127\.0\.0\.1\) {2}looked {2}GET \/households\/\{householdId\} {2}household 7/)
    const looks = JSON.parse((await run(auditCommand, ['list', '--household', '7', '--json'])).out)
    t.match(looks, [{ action: 'audit list', actor: /^system:/ }, { actor: 'user:operator' }], 'this look is noted too')
    t.match((await run(auditCommand, ['list', '--actor', 'user:admin', '--limit', '1'])).out, /POST \/api-keys/)
    t.match(await run(auditCommand, ['list', '--limit', '0']), { status: 1, errors: /--limit is 1 to 10000/ })
    t.match(await run(auditCommand, ['list', '--from', 'May']), { status: 1, errors: /--from is an instant/ })
    t.match(await run(auditCommand, ['verify']), { status: 0, out: /^the audit is whole: \d+ events\n$/ })
  })
}
