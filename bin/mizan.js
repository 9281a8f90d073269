#!/usr/bin/env node
// The program is TypeScript run by Node 24. This launcher is plain JavaScript so that it also starts under an older
// Node: it then re-runs itself under the Node 24 that is pinned as a package.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const major = Number(process.versions.node.split('.')[0])

if (major >= 24) {
  await import('../src/cli.ts')
} else {
  const pinned = path.join(root, 'node_modules', 'node', 'bin', 'node')
  if (!existsSync(pinned)) {
    process.stderr.write(
      `mizan needs Node 24 or later (this is ${process.version}); run npm ci to install the pinned one\n`,
    )
    process.exit(1)
  }
  const child = spawn(pinned, [path.join(root, 'src', 'cli.ts'), ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128 + constants.signals[signal])))
}
