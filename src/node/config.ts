import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parse as parseToml, TomlError } from 'smol-toml'
import { z } from 'zod'
import { err, ok, type Result } from '../base/result.ts'
import { type ClusterConfig, ClusterSection, readClusterConfig } from './cluster-config.ts'

/**
 * Every setting of a node. Defaults, `aether.toml`, `AETHER_*` variables and flags give the same settings, each stronger
 * than the one before. Unknown keys are errors, so that a misspelt one is never silently without effect.
 */
export type Config = Omit<z.output<typeof Settings>, 'cluster'> & {
  /** Undefined: the node is alone. */
  readonly cluster: ClusterConfig | undefined
}

export type ConfigRefusal = { readonly kind: 'bad-config'; readonly detail: string }

export type Flags = {
  readonly data?: string
  readonly host?: string
  readonly port?: number
  readonly config?: string
}

/** Read when no `--config` is given and the file exists in the working directory. */
const CONFIG_FILE = 'aether.toml'

const MiB = 1_024 * 1_024

const Repository = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('hosted'),
    /** Which versions may be deployed. */
    versions: z.enum(['release', 'snapshot', 'any']),
    /** Only an administrator may deploy. */
    adminOnly: z.boolean().default(false),
  }),
  z.strictObject({
    type: z.literal('group'),
    /** Hosted repositories, asked in this order. */
    members: z.array(z.string()).min(1),
  }),
])

const RepositoryName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'lowercase letters, digits, - and _, at most 63')

const DEFAULT_REPOSITORIES: Record<string, z.input<typeof Repository>> = {
  releases: { type: 'hosted', versions: 'release' },
  snapshots: { type: 'hosted', versions: 'snapshot' },
  public: { type: 'group', members: ['releases', 'snapshots'] },
  infra: { type: 'hosted', versions: 'any', adminOnly: true },
}

const Settings = z.strictObject({
  /** The data directory. Made when absent; one process at a time. */
  data: z
    .string()
    .min(1)
    .default('data')
    .transform((path) => resolve(path)),
  /** The address to listen on. Anything but loopback needs a token for every request. */
  host: z.string().min(1).default('127.0.0.1'),
  /** The HTTP port; 0 takes a free one, which the log names. */
  port: integer(0, 65_535).default(8080),
  /** Further host names under which clients reach this node, for instance behind a proxy. */
  hosts: z.array(z.string()).default([]),
  /** Off loopback, let anyone read without a token. */
  anonymousRead: boolean(false),
  /** One log line a request. */
  requestLog: boolean(true),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
  /** The largest artifact accepted. Lower: fat jars are refused; higher: one upload may fill the disk. */
  uploadBytesMax: integer(1).default(20 * 1_024 * MiB),
  /** Memory for warm artifacts. Lower: more disk reads; higher: a larger process. */
  cacheBytesMax: integer(1).default(64 * MiB),
  /** TLS: a PEM certificate chain and its key. Maven and Gradle refuse plain HTTP off loopback. */
  tlsCertificate: z.string().optional(),
  tlsKey: z.string().optional(),
  repositories: z
    .record(RepositoryName, Repository)
    .default({})
    .transform((given) => ({
      ...z.record(z.string(), Repository).parse(DEFAULT_REPOSITORIES),
      ...given,
    })),
  cluster: ClusterSection.optional(),
})

/** These are sections of the file: no variable and no flag can say them. */
const SECTIONS = new Set(['repositories', 'cluster'])

/** These variables belong to the client commands and the tests, not to the node. */
const FOREIGN_VARIABLES = new Set([
  'AETHER_CONFIG',
  'AETHER_SERVER',
  'AETHER_TOKEN',
  'AETHER_DEBUG',
  'AETHER_INFRA',
  'AETHER_REQUIRE_CLIENTS',
])

/** Reads all four sources. The refusal names the source, the key and what is expected there. */
export function readConfig(
  flags: Flags,
  env: Readonly<Record<string, string | undefined>>,
): Result<Config, ConfigRefusal> {
  const path = flags.config ?? env['AETHER_CONFIG']
  const file = readFile(path)
  if (!file.ok) return file
  const variables = readVariables(env)
  if (!variables.ok) return variables
  const { config: _, ...fromFlags } = flags
  const merged = { ...file.value, ...variables.value, ...defined(fromFlags) }
  const parsed = Settings.safeParse(merged)
  if (!parsed.success) return refuse(parsed.error.issues.map(describeIssue).join('; '))
  if ((parsed.data.tlsCertificate === undefined) !== (parsed.data.tlsKey === undefined)) {
    return refuse('tls_certificate and tls_key go together')
  }
  const groups = checkGroups(parsed.data.repositories)
  if (groups !== undefined) return refuse(groups)
  const { cluster: section, ...settings } = parsed.data
  if (section === undefined) return ok({ ...settings, cluster: undefined })
  const cluster = readClusterConfig(section, path ?? CONFIG_FILE)
  return cluster.ok ? ok({ ...settings, cluster: cluster.value }) : refuse(cluster.error)
}

function readFile(path: string | undefined): Result<Record<string, unknown>, ConfigRefusal> {
  const name = path ?? CONFIG_FILE
  if (!existsSync(name)) {
    return path === undefined ? ok({}) : refuse(`the configuration file ${name} does not exist`)
  }
  try {
    return ok(camelKeys(parseToml(readFileSync(name, 'utf8'))))
  } catch (cause) {
    if (cause instanceof TomlError) return refuse(`${name}: ${cause.message.trim()}`)
    return refuse(`${name} cannot be read: ${(cause as Error).message}`)
  }
}

function readVariables(
  env: Readonly<Record<string, string | undefined>>,
): Result<Record<string, unknown>, ConfigRefusal> {
  const settings: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('AETHER_') || FOREIGN_VARIABLES.has(name) || value === undefined) continue
    const key = camelCase(name.slice('AETHER_'.length).toLowerCase())
    if (!(key in Settings.shape) || SECTIONS.has(key)) {
      return refuse(`the variable ${name} names no setting; settings are ${settingNames()}`)
    }
    settings[key] =
      key === 'hosts'
        ? value
            .split(',')
            .map((name) => name.trim())
            .filter(Boolean)
        : value
  }
  return ok(settings)
}

function checkGroups(repositories: Config['repositories']): string | undefined {
  const hosted = Object.keys(repositories).filter((name) => repositories[name]?.type === 'hosted')
  for (const [name, repository] of Object.entries(repositories)) {
    if (repository.type !== 'group') continue
    const stranger = repository.members.find((member) => !hosted.includes(member))
    if (stranger === undefined) continue
    return `the group ${name} has the member ${stranger}, which is no hosted repository; hosted are ${hosted.join(', ')}`
  }
  return undefined
}

function describeIssue(issue: z.core.$ZodIssue): string {
  // A name below `repositories` or `cluster.peers` stays as it was written.
  const isName = (at: number) => NAMED_BELOW.has(issue.path.slice(0, at).join('.'))
  const path = issue.path
    .map((part, at) => (isName(at) ? String(part) : snakeCase(String(part))))
    .join('.')
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map(snakeCase).join(', ')
    const where = path === '' ? `settings are ${settingNames()}` : `in ${path}`
    return `unknown key ${keys}; ${where}`
  }
  const message = issue.code === 'invalid_key' ? issue.issues[0]?.message : issue.message
  return `${path}: ${message}`
}

/** Tables whose keys are names, not settings. */
const NAMED_BELOW = new Set(['repositories', 'cluster.peers'])

/** A whole number or, from a variable, its digits. Nothing else passes for a number, an empty variable least of all. */
function integer(least: number, most = Number.MAX_SAFE_INTEGER) {
  const digits = z.string().regex(/^\d+$/).transform(Number)
  const error = `must be a whole number from ${least} to ${most}`
  return z.union([z.number(), digits], { error }).pipe(z.number().int().min(least).max(most))
}

/** `true`, `false` or, from a variable, their text. */
function boolean(fallback: boolean) {
  return z
    .union([z.boolean(), z.enum(['true', 'false']).transform((word) => word === 'true')], {
      error: 'must be true or false',
    })
    .default(fallback)
}

function settingNames(): string {
  return Object.keys(Settings.shape).map(snakeCase).join(', ')
}

/** TOML keys are snake_case. Those of a table in `NAMED_BELOW` are names and stay. */
function camelKeys(table: Record<string, unknown>, path = ''): Record<string, unknown> {
  const entries = Object.entries(table).map(([key, value]) => {
    const name = NAMED_BELOW.has(path) ? key : camelCase(key)
    const below = path === '' ? key : `${path}.${key}`
    return [name, isTable(value) ? camelKeys(value, below) : value]
  })
  return Object.fromEntries(entries)
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function defined(flags: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined))
}

function refuse(detail: string): Result<never, ConfigRefusal> {
  return err({ kind: 'bad-config', detail })
}
