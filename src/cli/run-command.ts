import { didYouMean } from '../checks/did-you-mean.js'
import { isCloverError, reasonOf } from '../errors.js'
import { withoutPasswords } from '../tokens/without-passwords.js'
import { version } from '../version.js'
import { colour } from './colour.js'
import { exitCodes, type Command } from './command.js'
import { doctor } from './doctor.js'
import type { Io } from './io.js'
import { keepAlive } from './keep-alive.js'
import { migrate } from './migrate.js'
import { plain } from './plain.js'
import { createProbe } from './probe.js'
import { status } from './status.js'
import { messageOf, UsageError } from './usage-error.js'

const commands: Record<string, Command> = {
  doctor,
  status,
  'keep-alive': keepAlive,
  migrate,
  probe: createProbe()
}

const help = `fastify-clover <command> [arguments]

${Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}`).join('\n')}

  fastify-clover <command> --help
  fastify-clover --version
`

/**
 * @internal Runs the command line and resolves with its exit code: 0 if all is done, 1 if something is wrong or not all is done, 2 for arguments,
 * files or an app that cannot be used. An error is one sentence on stderr, and a line for each of several wrong options of the app.
 *
 * @param args those after the program's name
 */
export async function runCommand (args: string[], io: Io): Promise<number> {
  try {
    return await run(args, io)
  } catch (error) {
    io.stderr.write(`${colour(io, 'red', 'fastify-clover:')} ${plain(isCloverError(error) ? withoutPasswords(reasonOf(error)) : messageOf(error))}\n`)
    if (error instanceof UsageError) io.stderr.write(error.details.map(line => `  ${plain(line)}\n`).join(''))
    return error instanceof UsageError || isCloverError(error, 'FST_CLOVER_INVALID_OPTIONS') ? exitCodes.badUsage : exitCodes.notDone
  }
}

async function run ([name, ...args]: string[], io: Io): Promise<number> {
  if (name === undefined) throw new UsageError(`name a command: ${Object.keys(commands).join(', ')}; fastify-clover --help says what each does.`)
  if (name === '--version') return print(io, `${version}\n`)
  if (name === '--help' || name === '-h') return print(io, help)
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) throw new UsageError(`${name} is no command${didYouMean(name, Object.keys(commands)) || ': see fastify-clover --help.'}`)
  return args.includes('--help') || args.includes('-h') ? print(io, `${command.usage}\n`) : await command.run(args, io)
}

function print ({ stdout }: Io, text: string): number {
  stdout.write(text)
  return exitCodes.done
}
