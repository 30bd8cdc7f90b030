# No more rights than are needed.
# What a container may do, and what of the manifests is nobody else's to read.
package homeroom.manifests

import rego.v1

broken contains tell("runs_as_somebody", one.owner, one.container.name) if {
	some one in all_containers
	not runs_as_somebody(one)
}

runs_as_somebody(one) if {
	one.template.spec.securityContext.runAsNonRoot == true
	one.template.spec.securityContext.runAsUser > 0
	object.get(one.container, ["securityContext", "runAsNonRoot"], true) == true
	object.get(one.container, ["securityContext", "runAsUser"], 1) > 0
}

broken contains tell("gains_no_privilege", one.owner, one.container.name) if {
	some one in all_containers
	not gains_nothing(one.container)
}

gains_nothing(container) if {
	container.securityContext.allowPrivilegeEscalation == false
	object.get(container.securityContext, "privileged", false) == false
}

broken contains tell("drops_capabilities", one.owner, one.container.name) if {
	some one in all_containers
	not drops_all(one.container)
}

drops_all(container) if {
	"ALL" in container.securityContext.capabilities.drop
	not container.securityContext.capabilities.add
}

broken contains tell("root_is_read_only", one.owner, one.container.name) if {
	some one in all_containers
	not one.container.securityContext.readOnlyRootFilesystem == true
}

broken contains tell("system_calls_are_filtered", one.owner, "no profile of seccomp") if {
	some one in templates
	not one.template.spec.securityContext.seccompProfile.type == "RuntimeDefault"
}

broken contains tell("no_token", object, "a token of the cluster is mounted") if {
	some object in objects_of("ServiceAccount")
	not object.automountServiceAccountToken == false
}

broken contains tell("no_token", one.owner, "a token of the cluster is mounted") if {
	some one in templates
	not one.template.spec.automountServiceAccountToken == false
}

broken contains tell("nothing_of_the_host", one.owner, "it shares what is the machine's") if {
	some one in templates
	some shared in {"hostNetwork", "hostPID", "hostIPC"}
	one.template.spec[shared] == true
}

broken contains tell("nothing_of_the_host", one.owner, "it mounts what is the machine's") if {
	some one in templates
	some volume in object.get(one.template.spec, "volumes", [])
	volume.hostPath
}

broken contains tell("nothing_of_the_host", one.owner, "it listens on the machine itself") if {
	some one in all_containers
	some port in object.get(one.container, "ports", [])
	port.hostPort
}

broken contains tell("no_service_variables", one.owner, "a Service could set our settings") if {
	some one in templates
	not one.template.spec.enableServiceLinks == false
}

broken contains tell("namespace_is_restricted", namespace, "Pod Security is not restricted") if {
	some namespace in objects_of("Namespace")
	not namespace.metadata.labels["pod-security.kubernetes.io/enforce"] == "restricted"
}

broken contains tell("in_a_namespace", object, "it would land wherever it is applied from") if {
	some object in input.objects
	not object.kind in cluster_wide
	not object.metadata.namespace
}

broken contains tell("secrets_for_the_group", one.owner, volume.name) if {
	some one in templates
	some volume in object.get(one.template.spec, "volumes", [])
	volume.secret
	not volume.secret.defaultMode == 288 # 0440
}

broken contains tell("no_secret_written_down", secret, "its values stand in the manifests") if {
	some secret in objects_of("Secret")
	not secret.metadata.annotations["homeroom/development"] == "true"
}

broken contains tell("image_is_named", one.owner, one.container.image) if {
	some one in all_containers
	not is_named(one)
}

is_named(one) if regex.match(digest_pattern, one.container.image)

is_named(one) if {
	not is_pinned(one.owner.metadata.namespace)
	regex.match(tag_pattern, one.container.image)
	not endswith(one.container.image, ":latest")
}

is_pinned(name) if {
	some namespace in objects_of("Namespace")
	namespace.metadata.name == name
	namespace.metadata.labels["homeroom/pinned"] == "true"
}

broken contains tell("memory_is_limited", one.owner, one.container.name) if {
	some one in all_containers
	not one.container.resources.limits.memory
}

broken contains tell("asks_for_what_it_needs", one.owner, one.container.name) if {
	some one in all_containers
	some resource in {"cpu", "memory"}
	not one.container.resources.requests[resource]
}

broken contains tell("processor_is_not_throttled", one.owner, one.container.name) if {
	some one in all_containers
	one.container.resources.limits.cpu
}

broken contains tell("scratch_is_sized", one.owner, volume.name) if {
	some one in templates
	some volume in object.get(one.template.spec, "volumes", [])
	volume.emptyDir
	not volume.emptyDir.sizeLimit
}
