import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** Why Maven cannot be run here; undefined when it can. */
export function missingMaven(): string | undefined {
  const missing = ['java', 'mvn'].find((command) => !isInstalled(command, '-version'))
  return missing === undefined ? undefined : `${missing} is not installed`
}

/** Whether a program runs with this argument. */
export function isInstalled(command: string, argument: string): boolean {
  return spawnSync(command, [argument]).status === 0
}

export type Run = { readonly code: number | null; readonly output: string }

/** Runs a program to its end, its two outputs as one text. */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    const collect = (text: string) => {
      output += text
    }
    child.stdout.setEncoding('utf8').on('data', collect)
    child.stderr.setEncoding('utf8').on('data', collect)
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}

/** The group of everything that these tests deploy, and its directory. */
export const GROUP = 'com.example.clients'
export const GROUP_PATH = GROUP.replaceAll('.', '/')

/** Plugins that Maven has fetched from its own upstream; kept from run to run. */
const PLUGIN_CACHE = join(tmpdir(), 'aether-test-maven-plugins')

/** A JVM that lives for seconds is faster without the optimising compiler. */
const MAVEN_OPTS = '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx256m'

/** Projects and local repositories below one directory, and the server that they deploy to. */
export class Maven {
  readonly #directory: string
  readonly #url: string
  #count = 0

  constructor(directory: string, url: string) {
    this.#directory = directory
    this.#url = url
  }

  /** Lets Maven fetch the plugins of a build, so that no test waits for them. */
  async fetchPlugins(): Promise<Run> {
    const project = this.project({ 'pom.xml': this.pom({ artifactId: 'warm-up', version: '1.0' }) })
    const target = `-DaltDeploymentRepository=here::default::file://${this.#directory}/warm-up`
    const deployed = await this.#mvn(project, ['deploy', target], PLUGIN_CACHE)
    if (deployed.code !== 0) return deployed
    const file = [
      `-Dfile=${project}/pom.xml`,
      `-DpomFile=${project}/pom.xml`,
      '-DrepositoryId=here',
    ]
    const url = `-Durl=file://${this.#directory}/warm-up-2`
    return this.#mvn(project, ['deploy:deploy-file', ...file, url], PLUGIN_CACHE)
  }

  /** A new directory with these files. */
  project(files: Readonly<Record<string, string>>): string {
    this.#count += 1
    const project = join(this.#directory, `project${this.#count}`)
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(project, name)), { recursive: true })
      writeFileSync(join(project, name), text)
    }
    return project
  }

  /** A local repository that has the plugins and nothing of what is tested. */
  localRepository(): string {
    this.#count += 1
    const repository = join(this.#directory, `local${this.#count}`)
    cpSync(PLUGIN_CACHE, repository, {
      recursive: true,
      filter: (path) => !path.startsWith(join(PLUGIN_CACHE, GROUP_PATH)),
    })
    return repository
  }

  /** Runs Maven in a project, with a new local repository unless one is given. */
  mvn(project: string, args: readonly string[], repository = this.localRepository()): Promise<Run> {
    return this.#mvn(project, args, repository)
  }

  /** A POM that deploys to the server and resolves from its repository `public`. */
  pom({ artifactId, version, packaging = 'jar', url = this.#url, body = '' }: Pom): string {
    return `<project xmlns="http://maven.apache.org/POM/4.0.0">
      <modelVersion>4.0.0</modelVersion>
      <groupId>${GROUP}</groupId>
      <artifactId>${artifactId}</artifactId>
      <version>${version}</version>
      <packaging>${packaging}</packaging>
      <properties><project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
      <distributionManagement>
        <repository><id>aether</id><url>${url}/repository/releases</url></repository>
        <snapshotRepository><id>aether</id><url>${url}/repository/snapshots</url></snapshotRepository>
      </distributionManagement>
      <repositories>
        <repository>
          <id>aether</id><url>${url}/repository/public</url>
          <releases><enabled>true</enabled></releases><snapshots><enabled>true</enabled></snapshots>
        </repository>
      </repositories>
      ${body}
    </project>`
  }

  #mvn(project: string, args: readonly string[], repository: string): Promise<Run> {
    const flags = ['-B', '-e', `-Dmaven.repo.local=${repository}`, '-Dmaven.test.skip=true']
    return run('mvn', [...flags, ...args], { cwd: project, env: { MAVEN_OPTS } })
  }
}

export type Pom = {
  readonly artifactId: string
  readonly version: string
  readonly packaging?: string
  /** Where to deploy instead. */
  readonly url?: string
  /** Further elements. */
  readonly body?: string
}

export function dependency(artifactId: string, version: string): string {
  return `<dependencies><dependency>
      <groupId>${GROUP}</groupId><artifactId>${artifactId}</artifactId><version>${version}</version>
    </dependency></dependencies>`
}
