# Who may talk to whom, and that no call is lost.
# Networks that deny by default, probes that tell dead from not ready, and stops that wait.
package homeroom.manifests

import rego.v1

broken contains tell("denied_by_default", namespace, "no policy denies what no other allows") if {
	some namespace in objects_of("Namespace")
	not is_denied(namespace.metadata.name)
}

is_denied(namespace) if {
	some policy in objects_of("NetworkPolicy")
	policy.metadata.namespace == namespace
	policy.spec.podSelector == {}
	{"Ingress", "Egress"} == {side | some side in policy.spec.policyTypes}
	not policy.spec.ingress
	not policy.spec.egress
}

broken contains tell("ways_out_lead_somewhere", policy, "it lets out to everywhere") if {
	some policy in objects_of("NetworkPolicy")
	not policy.metadata.annotations["homeroom/open-egress"]
	some rule in object.get(policy.spec, "egress", [])
	leads_everywhere(rule)
}

leads_everywhere(rule) if not rule.to

leads_everywhere(rule) if count(rule.to) == 0

leads_everywhere(rule) if {
	some peer in rule.to
	peer.ipBlock.cidr in {"0.0.0.0/0", "::/0"}
}

leads_everywhere(rule) if {
	some peer in rule.to
	peer.namespaceSelector == {}
}

broken contains tell("probes_have_no_door", policy, "health is for the machine's own probes") if {
	some policy in objects_of("NetworkPolicy")
	some rule in object.get(policy.spec, "ingress", [])
	opens_health(rule)
}

opens_health(rule) if not rule.ports

opens_health(rule) if {
	some port in rule.ports
	port.port in {50052, "health", 8282, 8283, "opa-fed", "opa-local"}
}

# Numbers name no person, and yet tell who asks how much: only the namespace that watches reads them.
broken contains tell("numbers_have_one_reader", policy, "others than the monitoring read them") if {
	some policy in objects_of("NetworkPolicy")
	some rule in object.get(policy.spec, "ingress", [])
	some port in object.get(rule, "ports", [])
	port.port in {9464, "metrics"}
	not only_watchers(rule)
}

only_watchers(rule) if {
	count(rule.from) > 0
	every peer in rule.from {
		peer.namespaceSelector.matchLabels["homeroom/monitoring"] == "true"
		not peer.ipBlock
	}
}

served contains one if {
	some one in all_containers
	one.owner.kind in {"Deployment", "StatefulSet"}
}

ours contains one if {
	some one in served
	one.template.metadata.labels["app.kubernetes.io/part-of"] == "homeroom"
	one.container.name == one.owner.metadata.name
}

broken contains tell("is_probed", one.owner, one.container.name) if {
	some one in served
	some probe in {"startupProbe", "readinessProbe", "livenessProbe"}
	not one.container[probe]
}

# What runs first is waited for until it ends, and a server never does.
broken contains tell("sidecars_go_on", one.owner, container.name) if {
	some one in templates
	some container in object.get(one.template.spec, "initContainers", [])
	is_server(container)
	not container.restartPolicy == "Always"
}

is_server(container) if container.ports

is_server(container) if container.readinessProbe

# A service that is not ready is not a dead one: started again, it would only be late once more.
broken contains tell("dead_is_not_unready", one.owner, probe) if {
	some one in ours
	some probe in {"startupProbe", "livenessProbe"}
	one.container[probe]
	not one.container[probe].grpc.service == "live"
}

setting(one, suffix) := value if {
	wanted := sprintf("HOMEROOM_%s_%s", [upper(one.container.name), suffix])
	some from in one.container.envFrom
	some map in objects_of("ConfigMap")
	map.metadata.namespace == one.owner.metadata.namespace
	map.metadata.name == from.configMapRef.name
	value := map.data[wanted]
}

broken contains tell("grace_covers_drain", one.owner, "it is killed before it has drained") if {
	some one in ours
	leaving := to_number(setting(one, "LEAVE_SECONDS"))
	draining := to_number(setting(one, "DRAIN_SECONDS"))

	# The rest is for what comes after the last call: the log, the databases, the channels.
	one.template.spec.terminationGracePeriodSeconds < (leaving + draining) + 10
}

broken contains tell("leaves_before_it_drains", one.owner, "calls come to it while it drains") if {
	some one in ours
	not takes_leave(one)
}

# Callers of a node of several replicas are told to ask again, and another one answers them.
takes_leave(one) if elects(one)

takes_leave(one) if {
	to_number(setting(one, "LEAVE_SECONDS")) >= 5
	to_number(setting(one, "DRAIN_SECONDS")) >= 30
}

broken contains tell("calls_are_spread", service, "one connection would keep one replica") if {
	some service in objects_of("Service")
	some port in service.spec.ports
	port.name == "grpc"
	not service.spec.clusterIP == "None"
}

broken contains tell("one_writer", object, "two at a time would write one log") if {
	some object in objects_of("StatefulSet")
	object.metadata.name in {"node", "registry", "consent"}
	not object.spec.replicas == 1
	not object.metadata.name in electing
}

elects(one) if to_number(setting(one, "TAKEOVER_SECONDS")) > 0

electing contains one.owner.metadata.name if {
	some one in ours
	one.owner.kind == "StatefulSet"
	elects(one)
}

broken contains tell("replicas_share_data", one.owner, "each would have data of its own") if {
	some one in ours
	elects(one)
	count(object.get(one.owner.spec, "volumeClaimTemplates", [])) > 0
}

# A replica that stands by is never ready to answer: a rollout would wait for it for ever.
broken contains tell("standby_is_ready", one.owner, "no rollout would end") if {
	some one in ours
	elects(one)
	not one.container.readinessProbe.grpc.service == "fit"
}

broken contains tell("one_writer", object, "two at a time would write one log") if {
	some object in objects_of("Deployment")
	object.metadata.name in {"node", "registry", "consent"}
}

broken contains tell("one_writer", object, "each would have a log of its own") if {
	some object in objects_of("StatefulSet")
	object.metadata.name == "gateway"
	object.spec.volumeClaimTemplates
	may_be_several(object)
}

may_be_several(object) if object.spec.replicas > 1

may_be_several(object) if {
	some scaler in objects_of("HorizontalPodAutoscaler")
	scaler.metadata.namespace == object.metadata.namespace
	scaler.spec.scaleTargetRef.name == object.metadata.name
	scaler.spec.maxReplicas > 1
}

broken contains tell("machines_can_be_drained", budget, "it may hold a machine for ever") if {
	some budget in objects_of("PodDisruptionBudget")
	not lets_go(budget)
}

lets_go(budget) if {
	budget.spec.maxUnavailable >= 1
	budget.spec.unhealthyPodEvictionPolicy == "AlwaysAllow"
	not budget.spec.minAvailable
}

broken contains tell("statements_are_not_logged", cluster, "statements hold students' values") if {
	some cluster in objects_of("Cluster")
	not is_silent(cluster.spec.postgresql.parameters)
}

is_silent(parameters) if {
	parameters.log_statement == "none"
	parameters.log_min_error_statement == "panic"
	parameters.log_parameter_max_length == "0"
	parameters.log_parameter_max_length_on_error == "0"
}

broken contains tell("jobs_end", object, "it could run for ever") if {
	some object in objects_of("Job")
	not object.spec.activeDeadlineSeconds
}

broken contains tell("jobs_end", object, "it could run for ever, or twice at once") if {
	some object in objects_of("CronJob")
	not ends(object)
}

ends(object) if {
	object.spec.concurrencyPolicy == "Forbid"
	object.spec.jobTemplate.spec.activeDeadlineSeconds
}
