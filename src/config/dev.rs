/// The file that `navarch dev` runs with when it is given none: one provider of type `fake` and one
/// pool of `nodes` machines that may grow by half, with times short enough to watch.
pub fn dev_file(nodes: u32) -> String {
    let most = nodes.saturating_add((nodes / 2).max(2));
    format!(
        "\
# What `navarch dev` runs with when no file is given.
server:
  heartbeat_interval: 5s
  health_check_interval: 10s
  autoscale_interval: 5s

providers:
  fake:
    type: fake
    gpu_count: 8

pools:
  training:
    provider: fake
    instance_type: h100-8x
    region: local
    min_nodes: {nodes}
    max_nodes: {most}
    cooldown: 30s
    autoscaling:
      type: reactive
      scale_up_at: 80
      scale_down_at: 20
    health:
      unhealthy_after: 2
      auto_replace: true
    labels:
      workload: training
"
    )
}
