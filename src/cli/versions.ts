import { err, ok } from '../base/result.ts'
import { parseMetadataHint, sortVersions } from '../maven/index.ts'
import { badUsage, refused } from './failure.ts'
import type { Outcome, Session } from './session.ts'

/** `aether versions g:a`: the versions that a build can choose from, ascending. */
export async function versions(artifact: string, session: Session): Outcome {
  const [groupId = '', artifactId = '', ...more] = artifact.split(':')
  if (groupId === '' || artifactId === '' || more.length > 0) {
    return err(badUsage(`"${artifact}" is not groupId:artifactId, such as org.slf4j:slf4j-api`))
  }
  const repository = session.repository ?? 'public'
  const directory = `${groupId.replaceAll('.', '/')}/${artifactId}`
  const url = session.server.urlOf(repository, `${directory}/maven-metadata.xml`)
  const bytes = await session.server.read(url)
  if (!bytes.ok) return bytes
  if (bytes.value === undefined) {
    return err(
      refused(
        `${artifact} has no versions in the repository ${repository} of ${session.server.url}`,
        'Check the spelling, name another --repository, or deploy it: aether deploy <jar>.',
      ),
    )
  }
  const metadata = parseMetadataHint(bytes.value)
  if (!metadata.ok) return err(refused(`${url} is no Maven metadata: ${metadata.error.detail}`))
  const { release, latest } = metadata.value
  const ascending = sortVersions(metadata.value.versions)
  const lines = ascending.map((version) => {
    const marks = [version === release && 'release', version === latest && 'latest'].filter(Boolean)
    return marks.length === 0 ? version : `${version}  (${marks.join(', ')})`
  })
  const data = { groupId, artifactId, repository, versions: ascending, release, latest }
  return ok({ data, text: lines.join('\n') })
}
