import { execFile } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const main = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'bench', 'main.ts')

function bench(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...words], { env: { PATH: process.env.PATH } }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err })
    })
  })
}

t.test('chip and PIN is the default, except where nothing is verified', async (t) => {
  for (const [words, wanted] of [
    [[], 'chip-pin'],
    [['max'], 'chip-pin'],
    [['baseline'], 'none'],
  ] as const) {
    const { code, out } = await bench(...words, '--help')
    t.equal(code, 0)
    t.match(out.replaceAll(/\s+/g, ' '), `(choices: "none", "chip-pin", default: "${wanted}")`, words.join(' '))
  }
  const other = await bench('--crypto', 'stripe')
  t.equal(other.code, 1)
  t.match(other.err, /Allowed choices are none, chip-pin/)
})

t.test('unknown flags and impossible values are refused', async (t) => {
  const unknown = await bench('--rat', '5')
  t.equal(unknown.code, 1)
  t.match(unknown.err, /unknown option '--rat'/)
  const zero = await bench('max', '--rate', '0')
  t.equal(zero.code, 1)
  t.match(zero.err, /must be a whole number from 1 to 200000/)
})

t.test('the help names each command', async (t) => {
  const { code, out } = await bench('--help')
  t.equal(code, 0)
  for (const command of ['max', 'baseline', 'codec', 'crypto']) t.match(out, new RegExp(`^ {2}${command} `, 'm'))
})
