import { spawnSync } from 'node:child_process'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { filesOfGroup, testOfFile } from './support/test-group.ts'
import { testGroups } from './support/test-groups.ts'

const folder = import.meta.dirname

t.test('each test file belongs to one group, and each group has its program', async (t) => {
  const run = Object.keys(testGroups).flatMap((name) => filesOfGroup(name))
  const files = globSync('**/*.test.ts', { cwd: folder }).map((file) => file.replaceAll(path.sep, '/'))
  t.same(run.toSorted(), files.sort())
  const programs = globSync('groups/*.ts', { cwd: folder }).map((file) => path.basename(file, '.ts'))
  t.same(programs.sort(), Object.keys(testGroups).sort())
  for (const name of programs) {
    t.match(readFileSync(path.join(folder, 'groups', `${name}.ts`), 'utf8'), `await runTestGroup('${name}')`)
  }
  t.throws(() => filesOfGroup('other'), /no group of test files is named other/)
  t.throws(() => testOfFile('file:///other.test.ts'), /not run as part of a group/)
})

t.test('a file of a group that fails or cannot be loaded is named, and the others run', async (t) => {
  const own = t.testdir({
    'a.test.ts': `
      import t, { type Test } from 'tap'
      t.teardown(() => t.comment('a is left'))
      const check = async (t: Test) => { t.equal(1, 2, 'one is two') }
      t.test('wrong', check)`,
    'b.test.ts': `import { test } from 'tap'\ntest('never', async () => {})\nthrow new Error('not loaded')`,
    'c.test.ts': `import { t as file, test } from 'tap'\nfile.test('first', async (t) => { t.pass('c runs') })\ntest('second', async () => {})`,
  })
  const program = path.join(own, 'group.ts')
  const module = path.join(folder, 'support', 'test-group.ts')
  const files = ['a.test.ts', 'b.test.ts', 'c.test.ts']
  writeFileSync(
    program,
    `import { runTestFiles } from ${JSON.stringify(module)}\nawait runTestFiles(${JSON.stringify(files)}, ${JSON.stringify(own)})`,
  )
  const { status, stdout } = spawnSync(process.execPath, [program], {
    env: { PATH: process.env.PATH },
    encoding: 'utf8',
  })
  t.equal(status, 1)
  t.match(stdout, /^not ok 1 - test\/a\.test\.ts/m)
  t.match(stdout, /^ {4}not ok 1 - wrong/m)
  t.match(stdout, /^not ok 2 - test\/b\.test\.ts/m)
  t.match(stdout, 'not loaded')
  t.match(stdout, /^ok 3 - test\/c\.test\.ts/m)
  t.match(stdout, /^ {4}ok 2 - second/m)
  t.ok(
    stdout.indexOf('a is left') < stdout.indexOf('# Subtest: test/b.test.ts'),
    'each file is cleared away before the next',
  )
  t.match(stdout, 'a is left')
})
