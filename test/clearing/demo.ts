import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { loadConfig } from '../../src/config/config.ts'
import type { Client } from '../../src/store/connection.ts'
import { openDatabase, withClient } from '../../src/store/database-location.ts'

const cli = path.resolve(import.meta.dirname, '..', '..', 'src', 'cli.ts')
const START_MS = 120_000

/** A demo as somebody has it who starts one: the program itself, on the embedded database. */
export class Demo {
  readonly varDir = mkdtempSync(path.join(tmpdir(), 'mizan-demo-day-'))
  readonly #env = {
    PATH: process.env.PATH,
    MIZAN_VAR: this.varDir,
    ...Object.fromEntries(['ASCII', 'VISA', 'BCD', 'HTTP'].map((name) => [`MIZAN_PORT_${name}`, '0'])),
  }
  #child: ChildProcess | undefined

  /** Where its API is. */
  get api(): string {
    const { http } = JSON.parse(readFileSync(this.#listeners, 'utf8')) as { http: number }
    return `http://127.0.0.1:${http}/api/v1`
  }

  get #listeners(): string {
    return path.join(this.varDir, 'run', 'listeners.json')
  }

  /** The password of a user of the demo. */
  passwordOf(user: string): string {
    const file = path.join(this.varDir, 'demo', 'access.json')
    const { users } = JSON.parse(readFileSync(file, 'utf8')) as { users: { name: string; password: string }[] }
    return users.find(({ name }) => name === user)?.password ?? ''
  }

  /** Works on its database, as its owner. */
  async atDatabase<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const database = await openDatabase(loadConfig({ env: this.#env }), { create: false })
    try {
      return await withClient(database.url, work)
    } finally {
      await database.close()
    }
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [cli, 'start'], { env: this.#env, stdio: 'ignore' })
    this.#child = child
    for (const endMs = Date.now() + START_MS; !existsSync(this.#listeners); await sleep(50)) {
      if (child.exitCode !== null || Date.now() > endMs) throw new Error('the switch did not start')
    }
  }

  run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    return new Promise((resolve) => {
      execFile(process.execPath, [cli, ...args], { env: this.#env, maxBuffer: 1 << 26 }, (error, out, err) => {
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, out, err })
      })
    })
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child !== undefined && child.exitCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
    }
    rmSync(this.varDir, { recursive: true, force: true })
  }
}

/** Runs a command that has to succeed. @returns what it said */
export async function succeeds(t: Test, demo: Demo, ...args: string[]): Promise<string> {
  const { code, out, err } = await demo.run(...args)
  if (code !== 0) t.comment(`${out}\n${err}`)
  t.equal(code, 0, `mizan ${args.join(' ')}`)
  return out
}
