import { afterEach, expect, test } from 'vitest'
import { openRepository } from './fixture.ts'

const WRONG_SHA1 = '0'.repeat(40)
const POM = '<project><modelVersion>4.0.0</modelVersion></project>'

let repository: Awaited<ReturnType<typeof openRepository>>
afterEach(() => repository.close())

/** Uploads what Maven does for one build of a SNAPSHOT, in its order; gives the outcomes of the two metadata uploads. */
async function deployBuild(timestamp: string, buildNumber: number, jarSha1?: string) {
  const { put } = repository
  const version = `1.0-${timestamp}-${buildNumber}`
  const directory = 'com/acme/app/1.0-SNAPSHOT'
  await put(`${directory}/app-${version}.jar`, version)
  if (jarSha1 !== undefined) await put(`${directory}/app-${version}.jar.sha1`, jarSha1)
  await put(`${directory}/app-${version}.pom`, POM)
  const ofVersion = await put(
    `${directory}/maven-metadata.xml`,
    `<metadata><groupId>com.acme</groupId><artifactId>app</artifactId><version>1.0-SNAPSHOT</version><versioning>
     <snapshot><timestamp>${timestamp}</timestamp><buildNumber>${buildNumber}</buildNumber></snapshot>
     <snapshotVersions><snapshotVersion><extension>jar</extension><value>${version}</value></snapshotVersion></snapshotVersions>
     </versioning></metadata>`,
  )
  const ofArtifact = await put(
    'com/acme/app/maven-metadata.xml',
    '<metadata><groupId>com.acme</groupId><artifactId>app</artifactId><versioning><versions><version>1.0-SNAPSHOT</version></versions></versioning></metadata>',
  )
  return { ofVersion, ofArtifact }
}

test('refuses the metadata of a SNAPSHOT build whose file does not match, and takes that of the next build', async () => {
  repository = await openRepository('snapshot')
  expect(await deployBuild('20240102.030405', 1, WRONG_SHA1)).toEqual({
    ofVersion: 'conflict',
    ofArtifact: 'conflict',
  })
  expect(await deployBuild('20240102.030506', 2)).toEqual({
    ofVersion: 'replaced',
    ofArtifact: 'replaced',
  })
})

test('refuses the metadata of a damaged build though a newer one is sound', async () => {
  repository = await openRepository('snapshot')
  await deployBuild('20240102.030506', 2)
  expect(await deployBuild('20240102.030405', 1, WRONG_SHA1)).toMatchObject({
    ofVersion: 'conflict',
  })
})

test.each([
  ['artifactId', `<prefix>p</prefix><artifactId>${'a'.repeat(3_000)}</artifactId>`],
  ['name', `<name>${'n'.repeat(300_000)}</name><prefix>p</prefix><artifactId>a</artifactId>`],
])('refuses a plugin whose %s is too long to be kept', async (_, plugin) => {
  repository = await openRepository('release')
  const metadata = `<metadata><plugins><plugin>${plugin}</plugin></plugins></metadata>`
  expect(await repository.put('com/acme/maven-metadata.xml', metadata)).toBe('invalid')
})
